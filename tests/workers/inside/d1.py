"""The D1 store, on workerd's D1."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import (
    AsyncCache,
    AsyncSessions,
    CacheSettings,
    ConfigurationError,
    DataError,
    Policy,
    SchemaError,
    Unavailable,
    UsersTable,
)
from coatcheck.bindings import D1, binding_of
from coatcheck.stores.base import Full, Rotation, SessionChange
from coatcheck.stores.d1 import AsyncD1Store
from coatcheck.stores.d1.schema import script
from coatcheck.stores.sqlite.schema import split
from coatcheck.testing import AsyncMemoryStore
from coatcheck.testing._rows import MANY_BYTES, a_hash, a_row, to_create
from coatcheck.testing.async_conformance import AsyncStoreConformance
from tests.workers.inside.databases import Counted, emptied, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from coatcheck.testing.clock import ManualClock

AT_ONCE = CacheSettings(lease=timedelta(0))
LONG = CacheSettings(lease=timedelta(minutes=1))


class TestD1Store(AsyncStoreConformance):
    """All that a store promises."""

    @pytest.fixture
    async def store(self, env: Any, clock: ManualClock) -> AsyncIterator[AsyncD1Store]:
        store = AsyncD1Store(await emptied(env.DB), migrate=True, clock=clock)
        await store.open()
        yield store
        await store.aclose()


@pytest.fixture
async def database(env: Any) -> Counted:
    """A migrated database, whose calls are counted."""
    database = Counted(await emptied(env.DB))
    await AsyncD1Store(database).migrate()
    database.trips.clear()
    return database


# --- round trips


async def test_a_hit_in_memory_asks_nobody(database: Counted) -> None:
    """Within the lease."""
    async with AsyncSessions(AsyncD1Store(database), cache=LONG) as sessions:
        created = await sessions.create("ann")
        assert await sessions.get(created.token)
        database.trips.clear()
        for _ in range(3):
            assert await sessions.get(created.token)
        assert database.trips == []


async def test_a_miss_of_a_new_isolate_is_one_round_trip(database: Counted) -> None:
    """The log and the session come together; so does a token that nobody has. The next request is a hit."""
    async with AsyncSessions(AsyncD1Store(database)) as sessions:
        created = await sessions.create("ann")
    for token in (created.token, "A" * 43):
        async with AsyncSessions(AsyncD1Store(database), cache=LONG) as isolate:
            database.trips.clear()
            assert bool(await isolate.get(token)) is (token is created.token)
            assert database.trips == [2]
            assert (isolate.lookup(token) is not None) is (token is created.token)


async def test_a_copy_whose_lease_is_over_costs_one_poll(database: Counted, clock: ManualClock) -> None:
    """The session itself is not read again."""
    async with AsyncSessions(AsyncD1Store(database), clock=clock) as sessions:
        created = await sessions.create("ann")
        await sessions.get(created.token)
        clock.advance(timedelta(seconds=3))
        database.trips.clear()
        assert await sessions.get(created.token)
        assert database.trips == [1]


@pytest.fixture
def clock() -> ManualClock:
    """The workers' clock; the database has its own."""
    from coatcheck.testing.clock import ManualClock

    return ManualClock()


async def test_without_a_lease_each_request_is_one_round_trip(database: Counted) -> None:
    """And what was revoked in another isolate is refused by the next request."""
    one = AsyncSessions(AsyncD1Store(database), cache=AT_ONCE)
    other = AsyncSessions(AsyncD1Store(database), cache=AT_ONCE)
    async with one, other:
        created = await one.create("ann")
        for _ in range(2):
            database.trips.clear()
            assert await other.get(created.token)
            assert database.trips == [2]
        await one.revoke(created.token)
        assert not await other.get(created.token)


async def test_I5_requests_at_once_share_round_trips(database: Counted) -> None:
    """Two polls serve twenty requests: the one that was under way when most of them came, and the next."""
    async with AsyncSessions(AsyncD1Store(database), cache=AT_ONCE) as sessions:
        tokens = [(await sessions.create(f"user{n}")).token for n in range(4)]
        database.trips.clear()
        answers = await asyncio.gather(*(sessions.get(tokens[n % 4]) for n in range(20)))
        assert [answer.user_id for answer in answers if answer] == [f"user{n % 4}" for n in range(20)]
        assert len(database.trips) <= 2


async def test_I1_no_request_is_answered_by_an_older_reading(database: Counted) -> None:
    """One that comes while a poll is under way is not served what that poll reads."""
    one = AsyncSessions(AsyncD1Store(database), cache=AT_ONCE)
    other = AsyncSessions(AsyncD1Store(database), cache=AT_ONCE)
    async with one, other:
        for _ in range(10):
            created = await one.create("ann")
            early = asyncio.ensure_future(other.get(created.token))
            await asyncio.sleep(0)
            await one.revoke(created.token)
            assert not await other.get(created.token)
            await early


async def test_each_change_is_one_batch(database: Counted) -> None:
    """Saving is a reading more, and so is signing in with a visitor's data to carry over."""
    store = AsyncD1Store(database)
    now = (await store.poll(None)).now // 1000
    new = to_create(a_row(now), limit=2)
    calls: list[Callable[[], Awaitable[object]]] = [
        partial(store.create, new),
        partial(store.rotate, Rotation(new.token_hash, a_hash())),
        store.revoke_everyone,
        partial(store.sweep, 10),
    ]
    for call in calls:
        database.trips.clear()
        await call()
        assert len(database.trips) == 1
    row = to_create(a_row(now))
    await store.create(row)
    database.trips.clear()
    await store.save(SessionChange(row.record.id, {"a": 1}, (), MANY_BYTES))
    assert len(database.trips) == 2


# --- what stands in the database


async def test_L7_a_session_deleted_by_hand_is_refused(database: Counted) -> None:
    """As with `wrangler d1 execute`: the triggers write the log."""
    async with AsyncSessions(AsyncD1Store(database), cache=AT_ONCE) as sessions:
        created = await sessions.create("ann")
        assert await sessions.get(created.token)
        await run(database, "DELETE FROM coatcheck_sessions")
        assert not await sessions.get(created.token)
        page = await sessions.store.poll(None)
        assert [entry.subject for entry in page.entries] == [f"s:{created.session.id}"]


async def test_the_databases_clock_judges(database: Counted) -> None:
    """A Worker's own clock may say what it likes."""
    from coatcheck.testing.clock import ManualClock

    store = AsyncD1Store(database)
    reading = await store.read(a_hash())
    assert abs(reading.now - time.time_ns()) < 60e9
    async with AsyncSessions(store, clock=ManualClock()) as sessions:
        created = await sessions.create("ann", idle_timeout=timedelta(hours=1))
        assert abs(created.session.created_at.timestamp() - time.time()) < 60
        assert await sessions.get(created.token)
        await run(database, "UPDATE coatcheck_sessions SET idle_expires_at = 1")
        assert not await AsyncSessions(AsyncD1Store(database)).get(created.token)
        assert await sessions.sweep() == 1


async def test_S13_old_entries_are_trimmed_by_the_databases_clock(database: Counted) -> None:
    """Two hours old, and not before."""
    store = AsyncD1Store(database)
    await store.invalidate(["old", "new"])
    await run(database, "UPDATE coatcheck_log SET at = unixepoch() - 7201 WHERE subject = 'old'")
    await store.sweep(10)
    assert [entry.subject for entry in (await store.poll(None)).entries] == ["new"]


async def test_wranglers_file_is_the_schema(env: Any) -> None:
    """Nothing is missing in a database that has been given the file, and nothing has to be migrated."""
    database = await emptied(env.DB)
    await run(database, *split(script()))
    store = AsyncD1Store(database)
    assert list(await store.problems()) == []
    assert list(await store.migrate()) == []
    async with AsyncSessions(store) as sessions:
        assert (await sessions.create("ann")).session.user_id == "ann"


async def test_an_altered_trigger_is_refused_and_mended(database: Counted) -> None:
    """By its name."""
    await run(database, "DROP TRIGGER coatcheck_deleted")
    store = AsyncD1Store(database)
    with pytest.raises(SchemaError, match=r"coatcheck_deleted is missing.*migrat"):
        await store.open()
    await store.migrate()
    await store.open()


async def test_a_newer_schema_is_refused(database: Counted) -> None:
    """And left alone."""
    await run(database, "UPDATE coatcheck_meta SET schema = 99")
    for call in (AsyncD1Store(database).open, AsyncD1Store(database).migrate):
        with pytest.raises(SchemaError, match="schema 99, newer"):
            await call()


async def test_through_the_proxies_of_miniflare(env: Any) -> None:
    """Each `prepare` and `bind` is workerd's own: bytes, numbers, text, null, and an error."""
    store = AsyncD1Store(await emptied(env.OTHER), migrate=True)
    async with AsyncSessions(store, policy=Policy(max_sessions=1)) as sessions:
        created = await sessions.create("Zoë", data={"n": [1, None, "ü"]}, remember=True, ip=None)
        session = await sessions.get(created.token)
        assert session
        assert (session.user_id, session.data, session.ip) == ("Zoë", {"n": [1, None, "ü"]}, None)
        assert len((await sessions.create("Zoë")).evicted) == 1
        assert not await sessions.get(created.token)
    record = a_row(1)
    await store.create(to_create(record))
    with pytest.raises(DataError, match="UNIQUE"):
        await store.create(to_create(record))
    assert store.trips


# --- users


USERS = UsersTable(role=None)


@pytest.fixture
async def with_users(env: Any) -> Counted:
    """A database with users, joined to their sessions."""
    database = Counted(await emptied(env.DB))
    await run(database, "CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT UNIQUE, name TEXT)")
    await run(database, "INSERT INTO users VALUES ('ann', 'ann@example.org', 'Ann'), ('bob', NULL, 'Bob')")
    await AsyncD1Store(database, users=USERS).migrate()
    return database


async def test_L18_a_session_comes_with_its_user(with_users: Counted) -> None:
    """A change of the user is seen, and one who is deleted has no session any more."""
    async with AsyncSessions(AsyncD1Store(with_users, users=USERS), cache=AT_ONCE) as sessions:
        created = await sessions.create("ann")
        rotated = await sessions.rotate(created.token)
        assert rotated
        for expected in ("Ann", "Anne"):
            session = await sessions.get(rotated.token)
            assert session
            assert session.user
            assert session.user.name == expected
            await run(with_users, "UPDATE users SET name = 'Anne' WHERE id = 'ann'")
        await run(with_users, "DELETE FROM users WHERE id = 'ann'")
        assert not await sessions.get(rotated.token)
        page = await sessions.store.poll(None)
        assert {entry.subject for entry in page.entries} >= {"u:ann", f"s:{created.session.id}"}


async def test_a_session_for_nobody_is_refused_and_replaces_nothing(with_users: Counted) -> None:
    """It is one batch."""
    async with AsyncSessions(AsyncD1Store(with_users, users=USERS), cache=AT_ONCE) as sessions:
        visitor = await sessions.create(None, data={"cart": [1]})
        with pytest.raises(DataError, match="no user with the id 'eve'"):
            await sessions.create("eve", replaces=visitor.token)
        assert await sessions.get(visitor.token)
        assert (await sessions.create("bob", replaces=visitor.token)).session.user_id == "bob"
        assert not await sessions.get(visitor.token)


async def test_what_an_or_replace_removes_is_noticed(with_users: Counted) -> None:
    """By the unique keys of the users table, which are asked beforehand."""
    store = AsyncD1Store(with_users, users=USERS)
    await run(with_users, "INSERT OR REPLACE INTO users VALUES ('eve', 'ann@example.org', 'Eve')")
    assert "u:ann" in {entry.subject for entry in (await store.poll(None)).entries}
    assert list(await store.problems()) == []


async def test_a_users_table_that_does_not_fit_is_refused(database: Counted) -> None:
    """At the start, with the name of what is missing."""
    with pytest.raises(ConfigurationError, match="'users' does not exist"):
        await AsyncD1Store(database, users=USERS).open()


async def test_half_a_surrogate_pair_is_refused(database: Counted) -> None:
    """D1 would keep another text than it was given."""
    store = AsyncD1Store(database)
    with pytest.raises(DataError, match="surrogate"):
        await store.create(to_create(a_row(2**50, user_id="a\ud800")))


async def test_L15_nobody_is_evicted_for_a_session_that_has_to_be_tried_again(database: Counted) -> None:
    """The visitor's data change between the reading and the batch, which then does nothing at all."""
    store = AsyncD1Store(database)
    now = (await store.poll(None)).now // 1000
    for n in range(2):
        await store.create(to_create(a_row(now + n)))
    visitor = to_create(a_row(now, user_id=None, data='{"cart": [1]}'))
    await store.create(visitor)
    batch = database.batch
    saved: list[bool] = []

    async def interrupted(statements: Any) -> Any:
        answer = await batch(statements)
        if len(statements) == 1 and not saved:
            saved.append(True)
            await store.save(SessionChange(visitor.record.id, {"cart": [1, 2]}, (), MANY_BYTES))
        return answer

    database.batch = interrupted  # type: ignore[method-assign]
    order = to_create(a_row(now + 9), replaces=visitor.token_hash, carry_over=("cart",), limit=2)
    assert len((await store.create(order)).evicted) == 1
    assert len(await store.list_sessions("ann", 10)) == 2


async def test_orphans_are_swept(with_users: Counted) -> None:
    """Sessions whose user went while the trigger was away."""
    store = AsyncD1Store(with_users, users=USERS)
    await store.create(to_create(a_row((await store.poll(None)).now // 1000)))
    await run(with_users, "DROP TRIGGER coatcheck_user_deleted", "DELETE FROM users")
    assert len(await store.sweep(10)) == 1


@pytest.mark.parametrize("same", [False, True], ids=["another-token", "the-same-token"])
async def test_L15_a_full_user_keeps_the_visitor_whom_they_were(database: Counted, same: bool) -> None:
    """Refused with something to carry over: nothing has changed, and nothing is tried again for ever."""
    store = AsyncD1Store(database)
    now = (await store.poll(None)).now // 1000
    await store.create(to_create(a_row(now)))
    visitor = to_create(a_row(now, user_id=None, data='{"cart": [1]}'))
    await store.create(visitor)
    order = {"replaces": visitor.token_hash, "carry_over": ("cart",), "limit": 1, "when_full": "refuse"}
    new = to_create(a_row(now), **order)
    with pytest.raises(Full):
        await store.create(new._replace(token_hash=visitor.token_hash) if same else new)
    assert (await store.read(visitor.token_hash)).record == visitor.record


async def test_L2_what_a_visitor_adds_meanwhile_moves_along(database: Counted) -> None:
    """The batch holds only for the data that were read; others are read again."""
    store = AsyncD1Store(database)
    now = (await store.poll(None)).now // 1000
    visitor = to_create(a_row(now, user_id=None, data='{"cart": [1]}'))
    await store.create(visitor)
    batch = database.batch
    saved: list[bool] = []

    async def interrupted(statements: Any) -> Any:
        answer = await batch(statements)
        if len(statements) == 1 and not saved:
            saved.append(True)
            await store.save(SessionChange(visitor.record.id, {"cart": [1, 2]}, (), MANY_BYTES))
        return answer

    database.batch = interrupted  # type: ignore[method-assign]
    order = to_create(a_row(now, data="{}"), replaces=visitor.token_hash, carry_over=("cart",))
    assert (await store.create(order)).record.data == '{"cart": [1, 2]}'


# --- what cannot be


@pytest.mark.parametrize("name", ["SESSIONS", "BUCKET"])
def test_another_kind_of_binding_is_refused(env: Any, name: str) -> None:
    """With what it is, and what is wanted."""
    kind = {"SESSIONS": "a KV namespace", "BUCKET": "an R2 bucket"}[name]
    with pytest.raises(
        ConfigurationError, match=rf"database='?{kind}'? is not possible: hand in a D1 database.*env.DB"
    ):
        AsyncD1Store(getattr(env, name))
    with pytest.raises(ConfigurationError, match=rf"env.{name}='?{kind}'? is not possible"):
        binding_of(env, name, D1)


@pytest.mark.parametrize("binding", [None, "DB", 1])
def test_no_binding_is_refused(binding: Any) -> None:
    """What was handed in may be a secret, and is shown by its type at the most, unless it is a name."""
    with pytest.raises(ConfigurationError, match=r"database=.* is not possible: hand in a D1 database"):
        AsyncD1Store(binding)


def test_a_missing_binding_is_refused(env: Any) -> None:
    """With what to write into wrangler.toml."""
    with pytest.raises(ConfigurationError, match=r"binding='NOPE' is not possible.*\[\[d1_databases\]\]"):
        binding_of(env, "NOPE", D1)


async def test_a_database_without_tables_is_refused(env: Any) -> None:
    """At the start; and a call says the same."""
    store = AsyncD1Store(await emptied(env.DB))
    with pytest.raises(SchemaError, match=r"version 0 of \d: run `wrangler d1 migrations apply`"):
        await store.open()
    with pytest.raises(SchemaError, match="wrangler d1 migrations apply"):
        await store.read(a_hash())


async def test_S9_a_database_that_fails_is_unavailable(database: Counted) -> None:
    """Overloaded, away, or silent."""
    store = AsyncD1Store(database, timeout=0.01)
    database.error = TimeoutError()
    with pytest.raises(Unavailable, match="took too long"):
        await store.read(a_hash())
    database.error = None

    async def hang(statements: Any) -> Any:
        await asyncio.Event().wait()

    database.batch = hang  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="took too long"):
        await store.poll(None)


def test_no_lease_needs_a_store_that_is_asked_once(database: Counted) -> None:
    """And nobody who would have to keep copies."""
    with pytest.raises(ConfigurationError, match="lease=0:00:00 is not possible"):
        AsyncSessions(AsyncMemoryStore(), cache=AT_ONCE)
    with pytest.raises(ConfigurationError, match="lease=0:00:00 is not possible"):
        AsyncCache(AsyncD1Store(database), lease=timedelta(0))

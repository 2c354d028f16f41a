"""Many requests at once: one read for all who want the same session, and never another user's session."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from coatcheck import AsyncSessions, CacheSettings, NotSignedIn, Policy, Session, Sessions, User
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.testing import AsyncFaultyStore, FaultyStore
from tests.sqlite.helpers import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from coatcheck import Created

MANY = 1_000


@pytest.mark.anyio
async def test_I5_a_thousand_requests_for_one_uncached_session_make_one_read(path: str) -> None:
    async with AsyncSessions(AsyncSQLiteStore(path)) as other:
        created = await other.create("anna")
    store = AsyncFaultyStore(AsyncSQLiteStore(path))
    async with AsyncSessions(store) as sessions:
        answers = await asyncio.gather(*(sessions.get(created.token) for _ in range(MANY)))
        assert {answer.id for answer in answers if answer} == {created.session.id}
        assert all(answers)
        assert store.count("read") == 1


@pytest.mark.anyio
async def test_I5_a_thousand_requests_make_one_read_while_the_user_is_loaded(path: str) -> None:
    """The store answers at once, the loader does not: all requests are under way together."""
    loads = 0

    async def load(ids: Sequence[str]) -> Mapping[str, User]:
        nonlocal loads
        loads += 1
        for _ in range(10):
            await asyncio.sleep(0)
        return {each: User(each, name=f"Name of {each}") for each in ids}

    async with AsyncSessions(AsyncSQLiteStore(path)) as other:
        created = await other.create("anna")
    store = AsyncFaultyStore(AsyncSQLiteStore(path))
    async with AsyncSessions(store, load_users=load) as sessions:
        answers = await asyncio.gather(*(sessions.get(created.token) for _ in range(MANY)))
        assert {answer.user.name for answer in answers if answer and answer.user} == {"Name of anna"}
        assert all(answers)
        assert (store.count("read"), loads) == (1, 1)


@pytest.mark.anyio
async def test_I5_the_one_who_reads_may_be_cancelled(path: str) -> None:
    """The browser that came first has gone away; one other reads for the rest."""
    started, loads = asyncio.Event(), 0

    async def load(ids: Sequence[str]) -> Mapping[str, User]:
        nonlocal loads
        loads += 1
        started.set()
        await asyncio.sleep(0.01)
        return {each: User(each) for each in ids}

    async with AsyncSessions(AsyncSQLiteStore(path)) as other:
        created = await other.create("anna")
    store = AsyncFaultyStore(AsyncSQLiteStore(path))
    async with AsyncSessions(store, load_users=load) as sessions:
        first = asyncio.create_task(sessions.get(created.token))
        await started.wait()
        others = [asyncio.create_task(sessions.get(created.token)) for _ in range(100)]
        await asyncio.sleep(0)
        first.cancel()
        assert all(await asyncio.gather(*others))
        assert store.count("read") == 2


def test_I5_threads_make_one_read(path: str) -> None:
    with Sessions(SQLiteStore(path)) as other:
        created = other.create("anna")
    store = FaultyStore(SQLiteStore(path))
    with Sessions(store) as sessions:
        gate = store.hold("read")
        with ThreadPoolExecutor(50) as pool:
            waiting = [pool.submit(sessions.get, created.token) for _ in range(50)]
            gate.reached()
            gate.release()
            assert all(future.result() for future in waiting)
        assert store.count("read") <= 2, "those who came while it was read share it"


USERS = 40
PER_USER = 3


def owner(session: object) -> str | None:
    """Return whose session this is, verifying that everything in it is of one user."""
    if isinstance(session, NotSignedIn):
        return None
    assert isinstance(session, Session)
    assert session.user_id is not None
    assert session.data == {"mine": session.user_id}
    assert session.user_agent == f"Browser of {session.user_id}"
    return session.user_id


def many(sessions: Sessions) -> list[Created]:
    return [
        sessions.create(f"user {number}", data={"mine": f"user {number}"}, user_agent=f"Browser of user {number}")
        for number in range(USERS)
        for _ in range(PER_USER)
    ]


class Failing(Exception):
    """A request that goes wrong after it was validated."""


def go_wrong(random: Random) -> None:
    if random.random() < 0.05:
        raise Failing


def test_S11_threads_never_see_another_user_s_session(path: str) -> None:
    """10,000 requests of 40 users over reused threads, among them failing ones, with revocations going on.

    The memory is far too small, so that everything is dropped and read again all the time.
    """
    tiny = CacheSettings(max_entries=16)
    with Sessions(SQLiteStore(path), cache=tiny, policy=Policy(touch_every=timedelta(0))) as sessions:
        created = many(sessions)
        dead: set[str] = set()
        lock = threading.Lock()

        def request(seed: int) -> int:
            random = Random(seed)  # noqa: S311 - examples, not secrets
            right = 0
            for number in range(1_250):
                each = random.choice(created)
                with lock:
                    was_dead = each.session.id in dead
                try:
                    answer = owner(sessions.get(each.token))
                    go_wrong(random)
                except Failing:
                    pass
                assert answer in {None, each.session.user_id}
                assert not (was_dead and answer)
                right += answer is not None
                if number % 250 == 249:
                    sessions.revoke(each.token)
                    with lock:
                        dead.add(each.session.id)
            return right

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(request, range(8))) > 5_000
        sessions.flush()
        rows = run(path, "SELECT id, user_id FROM coatcheck_sessions")
        owners = {each.session.id: each.session.user_id for each in created}
        assert dict(rows) == {each: user for each, user in owners.items() if each not in dead}


@pytest.mark.anyio
async def test_S11_tasks_never_see_another_user_s_session(path: str) -> None:
    """10,000 requests as tasks, some cancelled in the middle, while users are loaded slowly."""

    async def load(ids: Sequence[str]) -> Mapping[str, User]:
        await asyncio.sleep(0)
        return {each: User(each, name=f"Name of {each}") for each in ids}

    with Sessions(SQLiteStore(path)) as other:
        created = many(other)
    tiny = CacheSettings(max_entries=16)
    async with AsyncSessions(AsyncSQLiteStore(path), cache=tiny, load_users=load) as sessions:
        answers = 0

        async def request(each: Created, *, slow: bool) -> None:
            nonlocal answers
            session = await sessions.get(each.token)
            assert owner(session) == each.session.user_id
            if slow:
                await asyncio.sleep(0)
            assert isinstance(session, Session)
            assert session.user is not None
            assert session.user.name == f"Name of {each.session.user_id}"
            answers += 1

        random = Random(11)  # noqa: S311 - examples, not secrets
        for _ in range(100):
            tasks = [
                asyncio.create_task(request(random.choice(created), slow=random.random() < 0.2)) for _ in range(100)
            ]
            await asyncio.sleep(0)
            for task in random.sample(tasks, 5):
                task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    assert task.exception() is None
        assert answers > 9_000


@pytest.mark.parametrize("flip", range(0, 43, 7))
def test_T3_one_flipped_character_is_never_a_hit(sessions: Sessions, store: FaultyStore, flip: int) -> None:
    created = sessions.create("anna")
    text = created.token.reveal()
    assert sessions.get(text)
    assert sessions.get(text)
    other = text[:flip] + ("A" if text[flip] != "A" else "E") + text[flip + 1 :]
    assert sessions.lookup(other) is None
    assert not sessions.get(other)


def test_a_reused_event_loop_is_no_condition(path: str) -> None:
    """One object in one loop after the other, as in scripts and tests: touches are flushed in each."""
    sessions = AsyncSessions(AsyncSQLiteStore(path), policy=Policy(touch_every=timedelta(0)))

    async def begin() -> Created:
        await sessions.open()
        created = await sessions.create("anna")
        assert await sessions.get(created.token)
        return created

    created = asyncio.run(begin())

    async def use() -> None:
        for _ in range(2):
            session = await sessions.get(created.token)
            assert isinstance(session, Session)
        assert await sessions.flush() == 1
        await sessions.aclose()

    asyncio.run(use())


CLOSED: dict[str, Callable[[Sessions, Created], object]] = {
    "get": lambda sessions, created: sessions.get(created.token),
    "create": lambda sessions, created: sessions.create(created.session.user_id),
    "list": lambda sessions, created: sessions.list(created.session.user_id or ""),
}


@pytest.mark.parametrize("call", CLOSED.values(), ids=CLOSED)
def test_sessions_can_be_used_again_after_closing(path: str, call: Callable[[Sessions, Created], object]) -> None:
    """Closing ends connections; the next call makes new ones, and sees what happened meanwhile."""
    sessions = Sessions(SQLiteStore(path)).open()
    created = sessions.create("anna")
    assert sessions.get(created.token)
    sessions.close()
    assert call(sessions, created)
    sessions.close()
    run(path, "DELETE FROM coatcheck_sessions")
    assert sessions.get(created.token) is NotSignedIn.UNKNOWN
    sessions.close()
    sessions.close()

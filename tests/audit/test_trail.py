"""The audit trail has an entry for each change, in its transaction, and who did it (S15)."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import (
    AsyncAuditTrail,
    AsyncSessions,
    AuditEntry,
    AuditTrail,
    ConfigurationError,
    DataError,
    Filter,
    Policy,
    Sessions,
    SessionSearch,
    Tickets,
    acting,
)
from coatcheck.stores.base import Device
from coatcheck.stores.postgresql import PostgreSQLStore
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import AsyncMemoryStore, ManualClock, MemoryStore
from tests.postgresql import hands
from tests.sqlite import helpers
from tests.web.application import site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = timedelta(days=1)
POLICY = Policy(audit_keep_for=30 * DAY, max_sessions=2, rotate_after=timedelta(hours=1))

Changes = list[tuple[str, str | None, str | None, str]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "SQLite", "PostgreSQL"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Any:
    if request.param == "memory":
        return MemoryStore(clock=clock)
    if request.param == "SQLite":
        return SQLiteStore(f"{tmp_path}/app.db", clock=clock)
    return PostgreSQLStore(request.getfixturevalue("postgresql_url"), clock=clock)


@pytest.fixture
def sessions(store: Any, clock: ManualClock) -> Iterator[Sessions]:
    with Sessions(store, clock=clock, policy=POLICY) as sessions:
        yield sessions


def changes(sessions: Sessions, **conditions: Any) -> Changes:
    """Return what the trail says, oldest first, without times."""
    entries = AuditTrail(sessions).entries(**conditions).entries
    return [(entry.action, entry.actor, entry.session_id, entry.detail) for entry in reversed(entries)]


def test_S15_each_change_has_its_entry(sessions: Sessions, clock: ManualClock) -> None:
    """From sign-in to the end, whatever ends it; periodic rotation and touches have none."""
    first = sessions.create("ann", ip="192.0.2.1", user_agent="Firefox")
    one = first.session.id
    sessions.rotate(first.token)
    clock.advance(timedelta(seconds=1))
    kept = sessions.create("ann")
    renewed = sessions.rotate(kept.token, reauthenticated=True)
    assert renewed
    clock.advance(timedelta(seconds=1))
    third = sessions.create("ann")
    assert changes(sessions, user_id="ann") == [
        ("created", None, one, "Firefox"),
        ("rotated", None, one, ""),
        ("created", None, kept.session.id, ""),
        ("rotated", None, kept.session.id, "reauthenticated"),
        ("created", None, third.session.id, ""),
        ("evicted", None, one, ""),
    ]
    clock.advance(timedelta(seconds=1))
    again = sessions.create("ann", replaces=third.token)
    sessions.store.bind(again.session.id, Device("thumbprint", "{}", ""))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    sessions.renew_token(renewed.token)
    clock.advance(timedelta(hours=1))
    assert not sessions.get(renewed.token)
    sessions.revoke_user("ann")
    sessions.revoke_everyone()
    assert changes(sessions)[6:] == [
        ("created", None, again.session.id, ""),
        ("revoked", None, third.session.id, "replaced"),
        ("bound", None, again.session.id, "thumbprint"),
        ("reused", None, kept.session.id, "ended"),
        ("revoked", None, again.session.id, ""),
        ("revoked", None, None, "everyone"),
    ]


def test_S15_it_says_who_did_it_and_from_where(sessions: Sessions) -> None:
    """Inside of the block, and not after it."""
    one, two, three = (sessions.create(user) for user in ("ann", "ann", "bob"))
    with acting("admin-7", address="[2001:DB8::1]:443"):
        assert sessions.revoke_any(one.session.id)
        assert SessionSearch(sessions).revoke(Filter(user_id="ann")) == 1
    sessions.revoke_by_id(three.session.id, user_id="bob")
    revoked = AuditTrail(sessions).entries(action="revoked").entries
    assert [(entry.actor, entry.address, entry.session_id, entry.user_id) for entry in revoked] == [
        (None, None, three.session.id, "bob"),
        ("admin-7", "2001:db8::1", two.session.id, "ann"),
        ("admin-7", "2001:db8::1", one.session.id, "ann"),
    ]
    assert changes(sessions, actor="admin-7", session_id=one.session.id) == [("revoked", "admin-7", one.session.id, "")]


def test_S15_of_visitors_and_tickets_it_says_nothing(sessions: Sessions) -> None:
    """But what somebody else did to a visitor's session."""
    tickets = Tickets(sessions, purpose="invitation", lifetime=DAY)
    assert tickets.redeem(tickets.issue({"to": "ann"}))
    visitors = [sessions.create(None) for _ in range(2)]
    sessions.revoke(visitors[0].token)
    assert changes(sessions) == []
    with acting("admin-7"):
        sessions.revoke(visitors[1].token)
    assert changes(sessions) == [("revoked", "admin-7", visitors[1].session.id, "")]


def test_S15_who_acts_as_somebody_is_the_actor(sessions: Sessions) -> None:
    created = sessions.create("ann", actor_id="support-3")
    assert changes(sessions) == [("created", "support-3", created.session.id, "")]


def test_S15_the_application_adds_entries(sessions: Sessions, clock: ManualClock) -> None:
    """Newest first, in pages, by what they are about."""
    trail, began = AuditTrail(sessions), clock.now()
    for number in range(5):
        clock.advance(timedelta(seconds=1))
        with acting("admin-7", address="192.0.2.9"):
            trail.record("mailed", user_id=str(number % 2), detail='{"to": "ü"}')
    trail.record("password_changed", actor="ann", user_id="ann", session_id="s", address="::1")
    first = trail.entries(limit=4)
    rest = trail.entries(limit=4, after=first.after)
    assert [entry.action for entry in first.entries] == ["password_changed", *["mailed"] * 3]
    assert first.entries[0] == AuditEntry(6, _utc(clock.now()), "password_changed", "ann", "ann", "s", "::1", "")
    assert rest.after is None
    assert [entry.id for entry in rest.entries] == [2, 1]
    assert rest.entries[0][3:] == ("admin-7", "1", None, "192.0.2.9", '{"to": "ü"}')
    second = _utc(began) + timedelta(seconds=2)
    assert [entry.id for entry in trail.entries(since=second, before=second + timedelta(seconds=2)).entries] == [3, 2]
    assert [entry.id for entry in trail.entries(user_id="1", action="mailed").entries] == [4, 2]


def _utc(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)


def test_S13_S15_what_is_old_enough_goes(sessions: Sessions, clock: ManualClock) -> None:
    """In batches, when sessions are swept, and not before."""
    trail = AuditTrail(sessions)
    for _ in range(5):
        trail.record("old")
    clock.advance(30 * DAY)
    trail.record("new")
    assert trail.sweep() == 0
    clock.advance(timedelta(microseconds=1))
    assert sessions.sweep(batch=2) == 0
    assert [entry.action for entry in trail.entries().entries] == ["new"]


def test_S15_it_is_off_unless_it_is_wanted(store: Any, clock: ManualClock) -> None:
    """The application's own entries are kept, and nothing deletes them."""
    with Sessions(store, clock=clock) as sessions:
        sessions.revoke(sessions.create("ann").token)
        trail = AuditTrail(sessions)
        trail.record("mailed")
        clock.advance(3650 * DAY)
        sessions.sweep()
        assert trail.sweep() == 0
        assert [entry.action for entry in trail.entries().entries] == ["mailed"]


# --- in the transaction of the change


@contextmanager
def transaction(database: str) -> Iterator[Any]:
    """Give a caller's transaction, which is then undone."""
    if database.startswith("postgresql"):
        with hands.plain(database, autocommit=False) as connection:
            connection.execute("SELECT 1")
            yield connection
            connection.rollback()
    else:
        with helpers.plain(database) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("ROLLBACK")


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{tmp_path}/app.db" if request.param == "SQLite" else str(request.getfixturevalue("postgresql_url"))


def _store(database: str) -> Any:
    return PostgreSQLStore(database) if database.startswith("postgresql") else SQLiteStore(database)


def test_B8_S15_an_entry_commits_or_vanishes_with_its_change(database: str) -> None:
    with Sessions(_store(database), policy=POLICY) as sessions:
        created, trail = sessions.create("ann"), AuditTrail(sessions)
        before = trail.entries()
        with transaction(database) as connection:
            sessions.create("bob", connection=connection)
            sessions.revoke(created.token, connection=connection)
            sessions.revoke_everyone(connection=connection)
            trail.record("paid", user_id="ann", connection=connection)
            seen = trail.entries(connection=connection).entries
            assert [entry.action for entry in seen] == ["paid", "revoked", "revoked", "created", "created"]
        assert trail.entries() == before
        assert sessions.get(created.token)


CHANGES: dict[str, Callable[[Sessions, Any], object]] = {
    "create": lambda sessions, _: sessions.create("bob"),
    "rotate": lambda sessions, created: sessions.rotate(created.token),
    "revoke": lambda sessions, created: sessions.revoke(created.token),
    "revoke user": lambda sessions, _: sessions.revoke_user("ann"),
    "revoke found": lambda sessions, _: SessionSearch(sessions).revoke(Filter(user_id="ann")),
    "revoke everyone": lambda sessions, _: sessions.revoke_everyone(),
    "bind": lambda sessions, created: sessions.store.bind(created.session.id, Device("", "{}", "")),  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
}


@pytest.mark.parametrize("change", CHANGES)
def test_S15_without_its_entry_no_change_is_made(database: str, change: str) -> None:
    """As when the disk is full just then: nothing happens that the trail does not tell of."""
    run = hands.run if database.startswith("postgresql") else helpers.run
    with Sessions(_store(database), policy=POLICY) as sessions:
        created = sessions.create("ann")
        run(database, "ALTER TABLE coatcheck_audit RENAME TO elsewhere")
        with pytest.raises(Exception, match="coatcheck_audit"):
            CHANGES[change](sessions, created)
        run(database, "ALTER TABLE elsewhere RENAME TO coatcheck_audit")
        assert len(AuditTrail(sessions).entries().entries) == 1
        answer = sessions.get(created.token)
        assert answer == created.session
        assert sessions.list("bob") == []


# --- what was refused


@pytest.mark.anyio
async def test_S15_a_session_without_its_device_is_told_of_once_in_an_hour(tmp_path: Path) -> None:
    """Or whoever has stolen its cookie could fill the trail; the event is there each time."""
    async with site(tmp_path, policy=Policy(audit_keep_for=30 * DAY)) as it:
        thief = await it.signed_in()
        await thief.get("/me")
        (session,) = await it.sessions.list("alice")
        assert await it.store.bind(session.id, Device("thumbprint", "{}", ""))
        it.sessions.tiers.changed(None)
        thief.address = ("203.0.113.9", 1)
        for pause in (0, 1, 60):
            it.clock.advance(timedelta(minutes=pause))
            assert (await thief.get("/private")).json()["reason"] == "device_unproven"
        assert [event.kind for event in it.events].count("unproven") == 3
        entries = (await AsyncAuditTrail(it.sessions).entries(action="unproven")).entries
        assert [(entry.actor, entry.session_id, entry.user_id, entry.address) for entry in entries] == [
            (None, session.id, "alice", "203.0.113.9")
        ] * 2


@pytest.mark.anyio
async def test_S9_what_cannot_be_written_down_is_refused_all_the_same(tmp_path: Path) -> None:
    async with site(tmp_path, policy=Policy(audit_keep_for=30 * DAY)) as it:
        browser = await it.signed_in()
        (session,) = await it.sessions.list("alice")
        assert await it.store.bind(session.id, Device("thumbprint", "{}", ""))
        it.store.fail("record")
        assert (await browser.get("/private")).status == 401
        it.store.heal()
        assert (await AsyncAuditTrail(it.sessions).entries(action="unproven")).entries == []


# --- what is refused


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"action": ""}, "action= of 0 characters"),
        ({"action": "a" * 65}, "1 to 64 octets"),
        ({"action": "a", "actor": "a\nb"}, "actor= of 3 characters"),
        ({"action": "a", "user_id": "ü" * 128}, "user_id= of 128 characters"),
        ({"action": "a", "address": "localhost"}, "address= is not possible: use an IP address"),
        ({"action": "a", "detail": "x" * 4097}, "detail= of 4097 characters"),
        ({"action": "a", "detail": "\0"}, "no NUL"),
    ],
)
def test_S12_what_cannot_be_kept_is_refused(wrong: dict[str, Any], message: str) -> None:
    with Sessions(MemoryStore()) as sessions, pytest.raises(DataError, match=message):
        AuditTrail(sessions).record(**wrong)


def test_S15_a_store_without_a_trail_is_refused() -> None:
    class Without(MemoryStore):
        capabilities = MemoryStore.capabilities._replace(audits=False)

    fix = "audit_keep_for=.* is not possible: this store keeps no audit trail"
    with pytest.raises(ConfigurationError, match=fix):
        Sessions(Without(), policy=POLICY)
    with pytest.raises(ConfigurationError, match=fix):
        AuditTrail(Sessions(Without()))
    with pytest.raises(ConfigurationError, match="audit_keep_for=1:00:00 is not possible: use one day to ten years"):
        Policy(audit_keep_for=timedelta(hours=1))


@pytest.mark.anyio
async def test_S15_it_is_the_same_for_asyncio(clock: ManualClock) -> None:
    async with AsyncSessions(AsyncMemoryStore(clock=clock), clock=clock, policy=POLICY) as sessions:
        created, trail = await sessions.create("ann"), AsyncAuditTrail(sessions)
        with acting("admin-7"):
            await sessions.revoke_user("ann")
        await trail.record("mailed")
        entries = (await trail.entries(since=_utc(0))).entries
        assert [(entry.action, entry.actor, entry.session_id) for entry in entries] == [
            ("mailed", None, None),
            ("revoked", "admin-7", created.session.id),
            ("created", None, created.session.id),
        ]

"""Administrators find, count and end sessions of all users (L13, L14, S15)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from coatcheck import (
    AsyncSessions,
    AsyncSessionSearch,
    ConfigurationError,
    DataError,
    Event,
    Filter,
    NotSignedIn,
    Session,
    Sessions,
    SessionSearch,
    Tickets,
    User,
)
from coatcheck.stores.searching import MANY
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import AsyncMemoryStore, ManualClock, MemoryStore
from tests.sqlite.helpers import plain, run

MINUTE = timedelta(minutes=1)


def test_L13_a_page_leads_to_the_next(sessions: Sessions, clock: ManualClock) -> None:
    """Latest activity first, to the last page and no further."""
    made = []
    for number in range(5):
        clock.advance(MINUTE)
        made.append(sessions.create("ann" if number % 2 else None).session)
    search = SessionSearch(sessions)
    assert search.count() == 5
    assert search.count(Filter(user_id="ann")) == 2
    page = search.find(limit=2)
    found: list[Session] = []
    while page.after is not None:
        found += page.sessions
        page = search.find(limit=2, after=page.after)
    assert [*found, *page.sessions] == made[::-1]
    assert search.find(Filter(signed_in=False), limit=3) == (made[::-2], None)


def test_L13_S15_what_is_found_is_what_ends(path: str, sessions: Sessions, events: list[Event]) -> None:
    """In every process, with an event for each; who is not meant stays."""
    stolen = [sessions.create(user, ip="203.0.113.9") for user in ("ann", "bob")]
    stays = sessions.create("ann", ip="192.0.2.1")
    with Sessions(SQLiteStore(path)) as elsewhere:
        assert all(elsewhere.get(created.token) for created in stolen)
        events.clear()
        assert SessionSearch(sessions).revoke(Filter(text="203.0.113"), wait=True) == 2
        assert [elsewhere.get(created.token) for created in stolen] == [NotSignedIn.UNKNOWN] * 2
        assert elsewhere.get(stays.token)
    assert {(event.kind, event.session_id, event.user_id) for event in events} == {
        ("revoked", created.session.id, created.session.user_id) for created in stolen
    }


def test_L13_without_a_condition_it_is_everyone(sessions: Sessions, events: list[Event]) -> None:
    """With one entry and one event, and tickets end as well."""
    tickets = Tickets(sessions, purpose="invitation", lifetime=MINUTE)
    sessions.create("ann")
    issued = tickets.issue()
    events.clear()
    assert SessionSearch(sessions).revoke(Filter(text="")) == 2
    assert [event.detail for event in events] == ["everyone"]
    assert tickets.redeem(issued) is None


def test_L14_a_ticket_is_in_no_list(sessions: Sessions) -> None:
    """An administrator who ends what visitors have leaves a link in a mail good."""
    tickets = Tickets(sessions, purpose="password-reset", lifetime=MINUTE)
    issued, visitor = tickets.issue({"user": "7"}), sessions.create(None)
    search = SessionSearch(sessions)
    assert list(sessions.list_active()) == list(search.find().sessions) == [visitor.session]
    assert search.revoke(Filter(signed_in=False)) == 1
    assert tickets.redeem(issued) is not None


def test_L13_a_change_is_part_of_the_callers_transaction(path: str, sessions: Sessions) -> None:
    """And waiting for one is refused."""
    created, search = sessions.create("ann"), SessionSearch(sessions)
    with plain(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert search.revoke(Filter(user_id="ann"), connection=connection) == 1
        assert search.count(connection=connection) == 0
        assert search.find(connection=connection).sessions == []
        with pytest.raises(ConfigurationError, match="wait=True"):
            search.revoke(Filter(user_id="ann"), wait=True, connection=connection)
        connection.execute("ROLLBACK")
    assert sessions.get(created.token)


@pytest.mark.parametrize("count", [MANY, MANY + 1])
def test_L13_very_many_end_with_one_entry(path: str, sessions: Sessions, count: int) -> None:
    """A worker learns one thing, and not thousands; what is not meant is read again and stays."""
    stays, created = sessions.create("bob"), sessions.create("ann")
    columns = "user_id, created_at, last_seen_at, idle_expires_at, idle_timeout"
    run(
        path,
        "WITH RECURSIVE n(i) AS (VALUES (2) UNION ALL SELECT i + 1 FROM n WHERE i < ?)"  # noqa: S608 - names of ours
        f" INSERT INTO coatcheck_sessions (token_hash, id, {columns})"
        f" SELECT randomblob(32), 'copy ' || i, {columns} FROM n, coatcheck_sessions WHERE user_id = 'ann'",
        (count,),
    )
    assert sessions.get(created.token)
    (before,) = run(path, "SELECT count(*) FROM coatcheck_log")
    assert SessionSearch(sessions).revoke(Filter(user_id="ann")) == count
    (after,) = run(path, "SELECT count(*) FROM coatcheck_log")
    assert after[0] - before[0] == (count if count <= MANY else 1)
    assert not sessions.get(created.token)
    assert sessions.get(stays.token)
    sessions.revoke(stays.token)
    (last,) = run(path, "SELECT count(*) FROM coatcheck_log")
    assert last[0] == after[0] + 1, "the triggers write again"


def test_with_a_loader_names_come_along_and_are_not_searched(clock: ManualClock) -> None:
    """They are not in the store."""

    def load(ids: object) -> dict[str, User]:
        return {"7": User("7", name="Ada")}

    with Sessions(MemoryStore(clock=clock), clock=clock, load_users=load) as sessions:
        created = sessions.create("7", user_agent="Firefox")
        search = SessionSearch(sessions)
        (found,) = search.find(Filter(text="fireFOX")).sessions
        assert found.id == created.session.id
        assert found.user == User("7", name="Ada")
        assert search.find(Filter(text="Ada")).sessions == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"active_since": datetime(2026, 1, 1)}, "active_since=2026-01-01 00:00:00.*time zone"),  # noqa: DTZ001
        ({"text": "a\nb"}, "printable"),
        ({"text": "a" * 201}, "201 characters"),
        ({"ids": ("x",) * 1001}, "1001 ids"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(Filter(created_since=datetime.now(UTC)), **wrong)


@pytest.mark.parametrize("after", ["", "!", "ü", "MTIz", "LTEgYQ", "a" * 600, "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OSBh"])
def test_T7_a_cursor_that_is_none_of_ours_is_refused(sessions: Sessions, after: str) -> None:
    """Clients hand it in; "MTIz" is a time without an id, "LTEgYQ" one before 1970, the last one too large."""
    with pytest.raises(DataError, match="after="):
        SessionSearch(sessions).find(after=after)
    with pytest.raises(DataError, match="limit=0"):
        SessionSearch(sessions).find(limit=0)


@pytest.mark.anyio
async def test_it_is_the_same_for_asyncio(clock: ManualClock) -> None:
    async with AsyncSessions(AsyncMemoryStore(clock=clock), clock=clock) as sessions:
        created, search = await sessions.create("ann"), AsyncSessionSearch(sessions)
        assert list((await search.find(Filter(text="ANN"))).sessions) == [created.session]
        assert await search.count() == await search.revoke(Filter(ids=(created.session.id,))) == 1
        assert not await sessions.get(created.token)


class _Eventual(MemoryStore):
    capabilities = MemoryStore.capabilities._replace(searching=False)


def test_a_store_that_cannot_search_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="search='_Eventual' is not possible: this store cannot search"):
        SessionSearch(Sessions(_Eventual()))

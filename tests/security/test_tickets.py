"""Tickets are good once, for a time, and for one purpose (S7, L8, T5, C12)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coatcheck import AsyncSessions, AsyncTickets, ConfigurationError, DataError, Sessions, Tickets
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import ManualClock
from tests.racing import racers

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = timedelta(hours=1)
REDEEMERS = 4
THREADS = 50


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that moves by hand."""
    return ManualClock()


@pytest.fixture
def sessions(tmp_path: Path, clock: ManualClock) -> Iterator[Sessions]:
    """Return sessions on SQLite."""
    store = SQLiteStore(f"{tmp_path}/app.db", clock=clock)
    with Sessions(store, clock=clock) as sessions:
        yield sessions


def test_S7_a_ticket_is_redeemed_once(sessions: Sessions) -> None:
    """Looking at it does not use it up."""
    tickets = Tickets(sessions, purpose="password-reset", lifetime=HOUR)
    issued = tickets.issue({"user": "7"})
    shown = tickets.peek(issued)
    redeemed = tickets.redeem(issued)
    assert redeemed is not None
    assert redeemed == shown
    assert dict(redeemed.data) == {"user": "7"}
    assert redeemed.ends_at - redeemed.created_at == HOUR
    assert redeemed.created_at.tzinfo is UTC
    assert tickets.redeem(issued) is tickets.peek(issued) is None


def test_S7_a_ticket_ends(sessions: Sessions, clock: ManualClock) -> None:
    """On time, or earlier where it was issued so."""
    tickets = Tickets(sessions, purpose="invitation", lifetime=HOUR)
    whole, half = tickets.issue(), tickets.issue(ends_at=sessions.now() + HOUR / 2)
    late = tickets.issue(ends_at=sessions.now() + 10 * HOUR)
    clock.advance(HOUR / 2)
    assert tickets.redeem(half) is None
    clock.advance(HOUR / 2 - timedelta(microseconds=1))
    assert tickets.peek(whole)
    clock.advance(timedelta(microseconds=1))
    assert tickets.redeem(whole) is tickets.redeem(late) is None


def test_C12_a_ticket_is_for_one_purpose_and_no_session(sessions: Sessions) -> None:
    """And a session's token is no ticket; each stays good where it belongs."""
    resets = Tickets(sessions, purpose="password-reset", lifetime=HOUR)
    invitations = Tickets(sessions, purpose="invitation", lifetime=HOUR)
    issued, session = resets.issue({"user": "7"}), sessions.create("7")
    assert invitations.redeem(issued) is resets.redeem(session.token) is None
    assert not sessions.get(issued)
    assert not sessions.list("7")[1:]
    assert sessions.get(session.token)
    assert resets.redeem(issued)


@pytest.mark.parametrize("made_up", [None, "", "A" * 43, "../../x", b"\xff" * 43, "A" * 10_000])
def test_T7_what_was_never_issued_is_redeemed_by_nobody(sessions: Sessions, made_up: str | bytes | None) -> None:
    tickets = Tickets(sessions, purpose="invitation", lifetime=HOUR)
    assert tickets.redeem(made_up) is tickets.peek(made_up) is None


def test_T5_the_database_does_not_hold_a_ticket(sessions: Sessions, tmp_path: Path) -> None:
    issued = Tickets(sessions, purpose="invitation", lifetime=HOUR).issue()
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"coatcheck_sessions" in files
    assert issued.reveal().encode() not in files


def test_S7_a_ticket_is_used_up_with_the_callers_transaction(tmp_path: Path) -> None:
    """Rolled back, it is good again."""
    path = tmp_path / "app.db"
    with Sessions(f"sqlite:///{path}") as sessions:
        tickets = Tickets(sessions, purpose="password-reset", lifetime=HOUR)
        issued = tickets.issue()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for ends in ("ROLLBACK", "COMMIT"):
                connection.execute("BEGIN IMMEDIATE")
                assert tickets.redeem(issued, connection=connection)
                connection.execute(ends)
        assert tickets.redeem(issued) is None


def test_a_wrong_ticket_setting_is_refused(sessions: Sessions) -> None:
    for lifetime in (timedelta(0), timedelta(days=31)):
        with pytest.raises(ConfigurationError, match="lifetime"):
            Tickets(sessions, purpose="x", lifetime=lifetime)
    with pytest.raises(DataError, match="not JSON"):
        Tickets(sessions, purpose="x", lifetime=HOUR).issue({"user": object()})


@pytest.mark.anyio
async def test_S7_the_asyncio_side_has_the_same_tickets(tmp_path: Path) -> None:
    async with AsyncSessions(f"sqlite:///{tmp_path}/app.db") as sessions:
        tickets = AsyncTickets(sessions, purpose="invitation", lifetime=HOUR)
        issued = await tickets.issue({"a": 1})
        redeemed = await tickets.redeem(issued)
        assert redeemed
        assert await tickets.redeem(issued) is None


# --- on every store, from many processes


@pytest.mark.processes
def test_S7_of_200_redemptions_over_4_processes_one_succeeds(shared_url: str) -> None:
    """All are told at once."""
    script = Path(__file__).with_name("redeemer.py")
    with Sessions(shared_url) as sessions, racers(script, shared_url, str(THREADS), count=REDEEMERS) as race:
        issued = Tickets(sessions, purpose="race", lifetime=HOUR).issue({"user": "7"})
        counts = [int(said) for said in race(issued.reveal())]
    assert sorted(counts) == [0] * (REDEEMERS - 1) + [1]

"""Workers stand still, clocks jump, transactions stay open: nothing that ended is accepted for it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.fleet.rounds import scene
from tests.processes.fleet import now

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.postgresql import PostgreSQL

    Show = Callable[[str], None]

pytestmark = pytest.mark.processes

_DAY = 24 * 3600


@pytest.mark.parametrize("index", [0, 2], ids=["async", "sync"])
def test_L7_a_worker_stands_still_for_longer_than_the_lease(
    server: PostgreSQL, url: str, show: Show, index: int
) -> None:
    """When it goes on, it accepts nothing that has ended meanwhile."""
    with scene(url, show, server=server) as site, site.round("a worker stands still") as current:
        worker = site.workers.workers[index]
        worker.stop()
        current.end()
        current.end_and_wait()
        current.until_waited()
        worker.signal(signal.SIGCONT)
        current.until_refused()
        current.until_served()
    assert sum(current.tallies[index]["after"]) == 0


def test_L7_a_clock_jumps(server: PostgreSQL, url: str, show: Show) -> None:
    """By a day, forwards in one worker and back in another: leases and expiry do not look at it."""
    with scene(url, show, server=server) as site, site.round("clocks jump by a day") as current:
        forwards, _, back = site.workers.workers
        forwards.ask("move_clock", seconds=_DAY)
        back.ask("move_clock", seconds=-_DAY)
        current.end(some=slice(0, 6))
        current.until_refused()
        current.until_served()
        for worker in (forwards, back):
            worker.ask("move_clock", seconds=0)
        current.end(some=slice(6, None))
        current.end_and_wait()
        current.until_refused()
        current.until_served()


def test_S9_a_clock_jumps_while_the_database_is_stopped(server: PostgreSQL, url: str, show: Show) -> None:
    """A lease that was counted by it would now last for another day, or be over at once."""
    with (
        scene(url, show, server=server, options={"timeout": 1.0}) as site,
        site.round("clocks jump while the database is stopped", answers=False) as current,
    ):
        forwards, _, back = site.workers.workers
        site.silence()
        current.end()
        current.end_and_wait()
        current.until_committed()
        server.pause()
        forwards.ask("move_clock", seconds=_DAY)
        back.ask("move_clock", seconds=-_DAY)
        current.until_unavailable()
        current.until_waited()
        server.resume()
        current.until_served()
        current.until_refused()


def test_L7_a_writing_transaction_stays_open(server: PostgreSQL, url: str, show: Show) -> None:
    """All the time; what it ends itself counts from its own commit."""
    with scene(url, show, server=server) as site, psycopg.connect(url) as other:
        other.execute("CREATE TABLE slow (number integer)")
        with site.round("a transaction stays open") as current:
            for index in range(0, 8, 2):
                current.end(some=slice(index, index + 2))
                current.until_refused()
            current.end_and_wait()
            current.until_waited()
            current.until_served()
            other.execute("DELETE FROM coatcheck_sessions WHERE id = %s", [current.doomed[8].session.id])
            current.until_served()
            current.ended_by_hand(8, asked=now(), commit=other.commit)
            current.end(some=slice(9, None))
            current.until_refused()

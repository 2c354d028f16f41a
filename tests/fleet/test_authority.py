"""The database stops, dies, restarts or is replaced: after a lease nobody can tell, and then service resumes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from coatcheck import Sessions
from coatcheck.stores.urls import store_from_url
from tests.fleet.fleet import LEASE, Shell
from tests.fleet.rounds import scene
from tests.fleet.worker import KEYS
from tests.processes.fleet import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fleet.rounds import Round
    from tests.servers.postgresql import PostgreSQL

    Show = Callable[[str], None]

pytestmark = pytest.mark.processes

OPTIONS = {"timeout": 1.0}
"""How long a statement may take: who asks a server that hangs waits so long, and twice as long for a connection."""


def _ended(current: Round, down: Callable[[], None]) -> None:
    """End sessions, take the database away before anybody is told, and wait until every worker says so."""
    current.scene.silence()
    current.end()
    current.end_and_wait()
    current.until_committed()
    down()
    current.until_unavailable()
    current.until_waited()


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "with a shared cache"])
def test_L7_S9_the_database_is_stopped(server: PostgreSQL, url: str, cache: str, show: Show, *, shared: bool) -> None:
    """For longer than the lease; connections stay open."""
    name = "the database is stopped" + " (with a shared cache)" * shared
    with (
        scene(url, show, server=server, cache=cache if shared else None, options=OPTIONS) as site,
        site.round(name, answers=False) as current,
    ):
        _ended(current, server.pause)
        server.resume()
        current.until_served()
        current.until_refused()


def test_L7_S9_the_database_is_killed(server: PostgreSQL, url: str, show: Show) -> None:
    """With kill -9, right after the last commit; then it recovers."""
    with (
        scene(url, show, server=server, options=OPTIONS) as site,
        site.round("the database is killed", answers=False) as current,
    ):
        _ended(current, server.kill)
        server.start()
        current.until_served()
        current.until_refused()


def test_L7_S9_the_database_restarts(server: PostgreSQL, url: str, show: Show) -> None:
    """Before and after it sessions end."""
    with (
        scene(url, show, server=server, options=OPTIONS) as site,
        site.round("the database restarts", answers=False) as current,
    ):
        current.end(some=slice(0, 6))
        server.restart()
        with _again(site.shell, server, url) as site.shell:
            current.end(some=slice(6, None))
        current.end_and_wait()
        current.until_refused()
        current.until_served()


@contextmanager
def _again(old: Shell | None, server: PostgreSQL, url: str) -> Iterator[Shell]:
    """Open another shell, as psql's own connection is gone with the server."""
    assert old is not None
    with Shell(server, url.rpartition("/")[2]) as shell:
        yield shell


def test_L7_S9_a_replica_is_promoted(server: PostgreSQL, url: str, show: Show) -> None:
    """The workers find it by a URL that names both hosts; what had ended before stays ended."""
    replica = server.basebackup()
    try:
        replica.start()
        database = url.rpartition("/")[2]
        hosts = f"127.0.0.1:{server.port},127.0.0.1:{replica.port}"
        both = f"postgresql://postgres@{hosts}/{database}?target_session_attrs=read-write"
        with (
            scene(url, show, server=server, through=[both] * 3, options=OPTIONS) as site,
            site.round("a replica is promoted", answers=False) as current,
        ):
            site.silence()
            current.end(some=slice(0, 6))
            current.end_and_wait()
            current.until_committed()
            server.wait_for_replay(replica)
            server.kill()
            current.until_unavailable()
            current.until_waited()
            replica.promote()
            current.until_served()
            with (
                Sessions(store_from_url(replica.url(database)), keys=KEYS) as site.sessions,
                _again(site.shell, replica, url) as site.shell,
            ):
                current.end(some=slice(6, None))
                current.until_refused()
    finally:
        replica.close()


def test_S9_known_copies_are_served_for_a_while_where_that_is_wanted(server: PostgreSQL, url: str, show: Show) -> None:
    """For the lease and `serve_stale_for`, no longer; and whoever waits for an end waits for both."""
    with (
        scene(url, show, server=server, stale=LEASE, options=OPTIONS) as site,
        site.round("the database is killed, known copies are served", answers=False) as current,
    ):
        site.silence()
        current.end()
        current.end_and_wait()
        current.until_committed()
        before = now()
        server.kill()
        gone = now()
        current.until_unavailable()
        assert current.until_waited() >= 2 * LEASE
        last = [each for seen in current.look() for each in seen["last_accepted"][-len(current.living) :]]
        show(
            f"known copies were served until {(min(last) - gone) / 1e6:.0f} to {(max(last) - gone) / 1e6:.0f} ms after"
        )
        assert min(last) > before + 0.9 * LEASE * 10**9, "longer than without"
        assert max(last) <= gone + 2 * LEASE * 10**9
        server.start()
        current.until_served()
        current.until_refused()

"""Valkey as the authority: its own calls are seen by every worker, and the lease bounds what a fault hides."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.fleet.rounds import scene
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.valkey import Valkey

    Show = Callable[[str], None]

pytestmark = pytest.mark.processes

OPTIONS = {"timeout": 1.0}


@pytest.fixture
def proxy(cache_server: Valkey) -> Iterator[Proxy]:
    with Proxy(cache_server.port) as proxy:
        yield proxy


def test_nothing_is_broken(cache: str, show: Show) -> None:
    with scene(cache, show) as site, site.round("Valkey: nothing is broken") as current:
        current.end()
        current.end_and_wait()
        current.until_refused()


@pytest.mark.parametrize("kind", ["cut", "black-holed"])
def test_L7_all_connections_of_some_workers_are_lost(cache: str, proxy: Proxy, show: Show, kind: str) -> None:
    """They can tell nothing after their lease, and serve again without a restart."""
    through = [proxy.through(cache), cache, proxy.through(cache)]
    with (
        scene(cache, show, through=through, options=OPTIONS) as site,
        site.round(f"Valkey: workers are {kind}", answers=False) as current,
    ):
        first, other, last = site.workers.workers
        if kind == "cut":
            proxy.refuse()
            proxy.cut()
        else:
            proxy.black_hole(new_ones_work=False)
        current.end()
        current.end_and_wait()
        current.until_refused([other])
        current.until_unavailable([first, last])
        proxy.restore()
        current.until_served()
        current.until_refused()
    assert [bool(tally["unavailable"]) for tally in current.tallies] == [True, False, True]


def test_L7_S9_the_store_is_stopped(cache_server: Valkey, cache: str, show: Show) -> None:
    """For longer than the lease; connections stay open."""
    with (
        scene(cache, show, options=OPTIONS) as site,
        site.round("Valkey: the store is stopped", answers=False) as current,
    ):
        current.end(some=slice(0, 6))
        current.end_and_wait()
        current.until_committed()
        cache_server.pause()
        current.until_unavailable()
        cache_server.resume()
        current.until_served()
        current.end(some=slice(6, None))
        current.until_refused()


def test_L7_S9_the_store_restarts_with_what_it_had(cache_server: Valkey, cache: str, show: Show) -> None:
    """Nobody who is signed in is refused, and nothing that ended comes back."""
    with (
        scene(cache, show, options=OPTIONS) as site,
        site.round("Valkey: the store restarts", answers=False) as current,
    ):
        current.end(some=slice(0, 6))
        current.end_and_wait()
        current.until_committed()
        saved = cache_server.snapshot()
        cache_server.kill()
        current.until_unavailable()
        cache_server.restart_from(saved)
        current.until_served()
        current.end(some=slice(6, None))
        current.until_refused()


def test_L7_a_worker_stands_still_for_longer_than_the_lease(cache: str, show: Show) -> None:
    """When it goes on, it accepts nothing that has ended meanwhile."""
    with scene(cache, show) as site, site.round("Valkey: a worker stands still") as current:
        worker = site.workers.workers[0]
        worker.stop()
        current.end()
        current.end_and_wait()
        current.until_waited()
        worker.signal(signal.SIGCONT)
        current.until_refused()
        current.until_served()
    assert sum(current.tallies[0]["after"]) == 0


def test_S9_known_copies_are_served_for_a_while_where_that_is_wanted(
    cache_server: Valkey, cache: str, show: Show
) -> None:
    """And whoever waits for an end waits for that time too."""
    with (
        scene(cache, show, stale=1.0, options=OPTIONS) as site,
        site.round("Valkey: the store is stopped, known copies are served", answers=False) as current,
    ):
        current.end(some=slice(0, 6))
        current.end_and_wait()
        current.until_committed()
        cache_server.pause()
        current.until_unavailable()
        current.until_waited()
        cache_server.resume()
        current.until_served()
        current.until_refused()

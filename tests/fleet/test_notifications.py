"""What wakes the workers is cut, swallowed or never sent: the lease ends their trust, and nobody valid is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fleet.fleet import KINDS
from tests.fleet.rounds import scene
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.postgresql import PostgreSQL

    Show = Callable[[str], None]

pytestmark = pytest.mark.processes

_LISTENERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^LISTEN'"


@pytest.fixture
def proxy(server: PostgreSQL) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


def test_nothing_is_broken(server: PostgreSQL, url: str, show: Show) -> None:
    with scene(url, show, server=server) as site, site.round("nothing is broken") as current:
        current.end()
        current.end_and_wait()
        current.until_refused()


def test_L7_listening_connections_are_terminated(server: PostgreSQL, url: str, show: Show) -> None:
    with scene(url, show, server=server) as site, site.round("listeners are terminated") as current:
        for number in range(0, 12, 4):
            assert len(server.execute(_LISTENERS)) >= len(KINDS)
            current.end(some=slice(number, number + 4))
            current.until_refused()
        current.end_and_wait()


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_L7_listening_connections_are_cut(
    server: PostgreSQL, url: str, proxy: Proxy, show: Show, *, reset: bool
) -> None:
    """And cannot come back until it is over."""
    options = {"listen_url": proxy.through(url)}
    with scene(url, show, server=server, options=options) as site, site.round("listeners are cut") as current:
        proxy.refuse()
        proxy.cut(reset=reset)
        current.end()
        current.end_and_wait()
        current.until_refused()
        proxy.restore()
        current.until_served()


@pytest.mark.parametrize("new_ones_work", [True, False], ids=["new ones work", "new ones hang"])
def test_L7_listening_connections_lead_nowhere(
    server: PostgreSQL, url: str, proxy: Proxy, show: Show, *, new_ones_work: bool
) -> None:
    """Without a word: neither FIN nor RST."""
    options = {"listen_url": proxy.through(url)}
    name = "listeners are black-holed"
    with scene(url, show, server=server, options=options) as site, site.round(name) as current:
        assert proxy.connections == len(KINDS)
        proxy.black_hole(new_ones_work=new_ones_work)
        current.end()
        current.end_and_wait()
        current.until_refused()
        proxy.restore()
        current.until_served()


def test_L7_all_connections_of_one_worker_lead_nowhere(server: PostgreSQL, url: str, proxy: Proxy, show: Show) -> None:
    """Only that one can tell nothing after its lease, and it serves again without a restart."""
    through = [proxy.through(url), url, proxy.through(url)]
    options = {"timeout": 1.0}
    with (
        scene(url, show, server=server, through=through, options=options) as site,
        site.round("all of a worker is black-holed", answers=False) as current,
    ):
        lost, other, lost_too = site.workers.workers
        proxy.black_hole(new_ones_work=False)
        current.end()
        current.end_and_wait()
        current.until_refused([other])
        current.until_unavailable([lost, lost_too])
        proxy.restore()
        current.until_served()
        current.until_refused()
    assert [bool(tally["unavailable"]) for tally in current.tallies] == [True, False, True]


def test_L7_the_revoker_dies_before_anybody_is_notified(server: PostgreSQL, url: str, show: Show) -> None:
    """The server delivers after the commit what it was given; here it is given nothing, which is the same."""
    name = "the revoker dies before it notifies"
    with scene(url, show, server=server) as site, site.round(name) as current:
        assert site.shell is not None
        site.silence()
        current.end()
        site.shell.kill()
        current.end_and_wait()
        current.until_refused()

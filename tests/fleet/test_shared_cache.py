"""The cache between the workers stops, dies, forgets or is set back: nothing more is accepted, nobody refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fleet.fleet import LEASE, fleet
from tests.fleet.rounds import scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.postgresql import PostgreSQL
    from tests.servers.valkey import Valkey

    Show = Callable[[str], None]

pytestmark = pytest.mark.processes


def _nothing(_: Valkey) -> None:
    pass


FAULTS: dict[str, tuple[Callable[[Valkey], None], Callable[[Valkey], None]]] = {
    "works": (_nothing, _nothing),
    "is stopped": (lambda cache: cache.pause(), lambda cache: cache.resume()),
    "is killed": (lambda cache: cache.kill(), lambda cache: cache.start()),
    "is flushed": (lambda cache: cache.empty(), _nothing),
    "restarts empty": (lambda cache: cache.restart_empty(), _nothing),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_L7_the_shared_cache(  # noqa: PLR0917 - pytest gives them by name
    server: PostgreSQL, url: str, cache_server: Valkey, cache: str, show: Show, fault: str
) -> None:
    """Sessions end in all that time; those that live are served by the authority."""
    begin, end = FAULTS[fault]
    with scene(url, show, server=server, cache=cache) as site, site.round(f"the shared cache {fault}") as current:
        begin(cache_server)
        current.end(some=slice(0, 8))
        current.until_refused()
        current.until_served()
        end(cache_server)
        current.end(some=slice(8, None))
        current.end_and_wait()
        current.until_refused()
        current.until_served()


def test_L7_the_shared_cache_is_rolled_back(
    server: PostgreSQL, url: str, cache_server: Valkey, cache: str, show: Show
) -> None:
    """A failover lost its last writes: copies from before the end are there again, for old workers and new ones."""
    with (
        scene(url, show, server=server, cache=cache) as site,
        site.round("the shared cache is rolled back") as current,
    ):
        copies = int(cache_server.run_cli("DBSIZE"))
        assert copies >= len(current.doomed), "all of them are there"
        old = cache_server.snapshot()
        current.end()
        current.end_and_wait()
        current.until_refused()
        cache_server.restart_from(old)
        assert int(cache_server.run_cli("DBSIZE")) == copies
        with fleet(url, kinds=["async", "sync"], lease=LEASE, cache=cache) as fresh:
            tokens = [each.token.reveal() for each in (*current.doomed, *current.living)]
            for answer in fresh.ask("get_all", tokens=tokens):
                assert answer["accepted"] == len(current.living)
        current.until_served()

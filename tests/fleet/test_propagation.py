"""Eight workers learn of each end within the lease; how early they do is `python -m benchmarks propagation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fleet.propagation import measure, percentiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.postgresql import PostgreSQL

pytestmark = pytest.mark.processes

ENDS = 200


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "with a shared cache"])
def test_L7_every_worker_learns_of_every_end(
    server: PostgreSQL, url: str, cache: str, show: Callable[[str], None], *, shared: bool
) -> None:
    delays = measure(server, url, cache if shared else None, ends=ENDS)
    for way, times in delays._asdict().items():
        p50, p99, most = percentiles(times)
        show(f"{len(times)} ends by {way}, 8 workers: p50 {p50:.1f} ms, p99 {p99:.1f} ms, maximum {most:.1f} ms")
        assert most <= 2000
    assert sum(map(len, delays)) == ENDS

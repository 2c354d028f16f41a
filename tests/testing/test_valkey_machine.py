"""The model-based machine over Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from coatcheck.stores.valkey import ValkeyStore
from coatcheck.testing.machine import LEASE, SessionsMachine
from tests.servers.valkey import Valkey
from tests.testing.machines import SharedStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from coatcheck.stores.protocol import Store


class UnwokenStore(ValkeyStore):
    """What wakes workers does so in real time, which no example could repeat: the lease is the bound."""

    capabilities = ValkeyStore.capabilities._replace(pushes_changes=False)


class ValkeyMachine(SessionsMachine):
    """Workers with a store each."""

    bound: ClassVar[timedelta] = LEASE
    server: ClassVar[Valkey]

    def __init__(self) -> None:
        super().__init__()
        self.server.empty()

    def make_store(self) -> Store:
        return UnwokenStore(self.server.url(), clock=self.clock)


class SharedValkeyMachine(SharedStore, ValkeyMachine):
    """Workers that share one store."""


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with Valkey() as server:
        ValkeyMachine.server = server
        yield


TestValkey = ValkeyMachine.TestCase
TestSharedValkey = SharedValkeyMachine.TestCase

"""The model-based machine over PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import settings

from coatcheck.stores.postgresql import PostgreSQLStore
from coatcheck.testing.machine import LEASE, SessionsMachine
from tests.postgresql.hands import plain, run
from tests.testing.machines import SharedStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from coatcheck.stores.protocol import Store
    from tests.servers.postgresql import PostgreSQL


class UnwokenStore(PostgreSQLStore):
    """What wakes workers does so in real time, which no example could repeat: the lease is the bound."""

    capabilities = PostgreSQLStore.capabilities._replace(pushes_changes=False)


class PostgreSQLMachine(SessionsMachine):
    """Workers with a store each."""

    bound: ClassVar[timedelta] = LEASE
    by_hand = True
    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        run(self.url, "DELETE FROM coatcheck_sessions")
        run(self.url, "DELETE FROM coatcheck_log")

    def make_store(self) -> Store:
        return UnwokenStore(self.url, clock=self.clock, migrate=False)

    def end_by_hand(self, session_id: str) -> None:
        with plain(self.url) as connection:
            connection.execute("DELETE FROM coatcheck_sessions WHERE id = %s", (session_id,))


class SharedPostgreSQLMachine(SharedStore, PostgreSQLMachine):
    """Workers that share one store."""


@pytest.fixture(scope="module", autouse=True)
def database(postgresql: PostgreSQL) -> Iterator[None]:
    name = postgresql.create_database()
    PostgreSQLMachine.url = postgresql.url(name)
    store = PostgreSQLStore(PostgreSQLMachine.url)
    store.open()
    store.close()
    yield
    postgresql.drop_database(name)


# Its rules ask a server, and not memory: fewer examples, and each as long.
PostgreSQLMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=40)
SharedPostgreSQLMachine.TestCase.settings = PostgreSQLMachine.TestCase.settings
TestPostgreSQL = PostgreSQLMachine.TestCase
TestSharedPostgreSQL = SharedPostgreSQLMachine.TestCase

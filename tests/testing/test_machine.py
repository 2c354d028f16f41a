"""The model-based machine, over every store there is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar

from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import MemoryStore
from coatcheck.testing.machine import LEASE, SessionsMachine
from tests.testing.machines import SharedStore

if TYPE_CHECKING:
    from datetime import timedelta

    from coatcheck.stores.protocol import Store


class MemoryMachine(SessionsMachine):
    """Nothing wakes the workers: the lease is the bound."""

    bound: ClassVar[timedelta] = LEASE

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore(clock=self.clock)

    def make_store(self) -> Store:
        return self.store


class SQLiteMachine(SessionsMachine):
    """Workers with a store each: what was revoked is refused by the next request of every one."""

    by_hand = True

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = str(Path(self.folder.name) / "sessions.db")

    def make_store(self) -> Store:
        return SQLiteStore(self.path, clock=self.clock)

    def end_by_hand(self, session_id: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("DELETE FROM coatcheck_sessions WHERE id = ?", (session_id,))

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


class SharedSQLiteMachine(SharedStore, SQLiteMachine):
    """Workers that share one store."""


TestMemory = MemoryMachine.TestCase
TestSQLite = SQLiteMachine.TestCase
TestSharedSQLite = SharedSQLiteMachine.TestCase

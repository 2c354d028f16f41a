"""SQLite: one host, any number of processes, and nothing to install."""

from coatcheck.stores.sqlite.async_store import AsyncSQLiteStore
from coatcheck.stores.sqlite.store import SQLiteStore

__all__ = ["AsyncSQLiteStore", "SQLiteStore"]

"""SQLite: one host, any number of processes, and nothing to install."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coatcheck.stores.sqlite.async_store import AsyncSQLiteStore
    from coatcheck.stores.sqlite.store import SQLiteStore

__all__ = ["AsyncSQLiteStore", "SQLiteStore"]

_MODULES = {"AsyncSQLiteStore": "async_store", "SQLiteStore": "store"}


def __getattr__(name: str) -> object:
    # Only when a store is wanted: D1 shares the SQL of this package, and a Worker has no sqlite3.
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

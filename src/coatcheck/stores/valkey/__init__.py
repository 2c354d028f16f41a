"""Valkey or Redis as the authority: sessions in memory on a server, for workers on any number of hosts."""

from coatcheck.stores.valkey.async_store import AsyncValkeyStore
from coatcheck.stores.valkey.store import ValkeyStore

__all__ = ["AsyncValkeyStore", "ValkeyStore"]

"""Copies in Valkey or Redis: one server, behind Sentinel, or a cluster."""

from coatcheck.caches.valkey.async_cache import AsyncValkeyCache
from coatcheck.caches.valkey.cache import ValkeyCache

__all__ = ["AsyncValkeyCache", "ValkeyCache"]

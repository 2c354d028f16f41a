"""Cloudflare KV as the shared cache of a Worker, beside D1. For asyncio only."""

from coatcheck.caches.kv.cache import AsyncKVCache

__all__ = ["AsyncKVCache"]

"""Cloudflare KV alone: sessions that everybody sees after a minute. For asyncio only."""

from coatcheck.stores.kv.store import AsyncKVStore

__all__ = ["AsyncKVStore"]

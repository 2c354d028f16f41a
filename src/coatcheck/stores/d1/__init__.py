"""Cloudflare D1: the sessions of a Worker, in SQLite's SQL, asked over the network. For asyncio only."""

from coatcheck.stores.d1.store import AsyncD1Store

__all__ = ["AsyncD1Store"]

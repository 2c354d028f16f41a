"""The HTTP clients of asyncio. Their twin for threads is `_clients.py`, by hand as well."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

import httpx2


class AsyncOwnClients:
    """The HTTP clients of one provider: one for each event loop, in which its connections live."""

    def __init__(self, limits: httpx2.Limits) -> None:
        """Start with none."""
        self._limits = limits
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = WeakKeyDictionary()

    def get(self) -> httpx2.AsyncClient:
        """Return the running loop's."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            # Neither proxies nor passwords out of the environment: a .netrc would send its own Authorization.
            client = self._clients[loop] = httpx2.AsyncClient(limits=self._limits, trust_env=False)
        return client

    async def aclose(self) -> None:
        """Close the running loop's."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

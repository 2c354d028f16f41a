"""How a cache talks to its server, with asyncio. Its twin for threads is `_clients.py`, by hand as well."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any

from coatcheck.valkey_urls import async_client

if TYPE_CHECKING:
    from collections.abc import Sequence

_of_the_parent: list[Any] = []
"""Clients from before a fork. To destroy them would take their sockets out of the parent's event loop, too."""

_ALONE = 2
"""With so many questions under way, the next ones go together: each would cost its own system calls otherwise."""

_TOGETHER = 256
"""So many of them, at most, for the last is answered no sooner than the first."""

_Question = tuple[bytes, "asyncio.Future[Any]"]


class AsyncClients:
    """The client of the running event loop."""

    def __init__(self, url: str, *, timeout: float, max_connections: int) -> None:
        """Keep the settings; nothing is connected yet."""
        self._timeout = timeout
        self._max_connections = max_connections
        self._url = url
        self._loop: asyncio.AbstractEventLoop | None = None
        self._start_anew(None)

    def _start_anew(self, client: Any) -> None:
        self._client = client
        self._alone = 0
        self._waiting: list[_Question] = []
        self._sender: asyncio.Task[None] | None = None

    def get(self) -> Any:  # what redis-py says of its types is of no use
        """Return the client; its connections are useless in another loop, where there is a new one."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._start_anew(async_client(self._url, timeout=self._timeout, max_connections=self._max_connections))
            self._loop = loop
        return self._client

    async def value(self, name: bytes) -> Any:
        """Return what the server has under a name; many who ask at once ask together."""
        client = self.get()
        if self._alone >= _ALONE:
            return await self._join(name)
        self._alone += 1
        try:
            return await client.execute_command("GET", name)
        finally:
            self._alone -= 1

    async def _join(self, name: bytes) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((name, future))
        if self._sender is None:
            self._sender = loop.create_task(self._send(), context=Context())  # it asks for many requests
        answer = await future
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _send(self) -> None:
        """Ask what is waiting, all together, and what has come meanwhile, until nothing is left."""
        questions: Sequence[_Question] = ()
        try:
            while self._waiting:
                questions, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
                answers = await self._answers([name for name, future in questions if not future.done()])
                for name, future in questions:
                    if not future.done():  # who has given up meanwhile is not in the answers, or needs none
                        future.set_result(answers[name])
        finally:
            self._sender = None
            for _, future in (*questions, *self._waiting):
                future.cancel()  # those who still wait do so because this task was cancelled
            self._waiting = []

    async def _answers(self, names: Sequence[bytes]) -> dict[bytes, Any]:
        pipeline = self.get().pipeline(transaction=False)
        for name in names:
            pipeline.execute_command("GET", name)
        try:
            answers = await pipeline.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001 - whoever asked raises it
            # One for each: an error that is raised twice collects both tracebacks.
            return {name: _like(error) for name in names}
        return dict(zip(names, answers, strict=True))

    def forked(self) -> None:
        """Leave the client to the parent."""
        _of_the_parent.append((self._client, self._waiting, self._sender))
        self._start_anew(None)

    async def aclose(self) -> None:
        """Close the connections of this loop's client."""
        client, sender = self._client, self._sender
        if client is None or self._loop is not asyncio.get_running_loop():
            self._start_anew(None)
            return
        if sender is not None:
            await asyncio.wait([sender])
        self._start_anew(None)
        await client.aclose()


def _like(error: Exception) -> Exception:
    """Return another error of the same kind that says the same."""
    try:
        return type(error)(*error.args)
    except TypeError:
        return OSError(str(error))

"""A network between client and server that can be cut, slowed and swallowed."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from tests.servers.ports import Port
from tests.servers.waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Coroutine

_CHUNK = 1 << 16
_BACKLOG = 128
_RESET = struct.pack("ii", 1, 0)  # linger for no time: closing sends RST instead of FIN


class _Link:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._ends = [client]
        self.open = asyncio.Event()

    async def run(self) -> None:
        """Carry bytes both ways until one end closes."""
        pumps: list[asyncio.Task[None]] = []
        try:
            client, server = self._ends[0], await self._connect()
            pumps += [asyncio.create_task(self._pump(*way)) for way in ((client, server), (server, client))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except OSError:  # the server cannot be reached: the client finds its connection closed
            pass
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _connect(self) -> socket.socket:
        server = socket.socket()
        self._ends.append(server)
        for end in self._ends:
            end.settimeout(0)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(server, ("127.0.0.1", self._proxy.target))
        return server

    async def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self.open.wait()
            chunk = await loop.sock_recv(source, _CHUNK)
            await asyncio.sleep(self._proxy.seconds)
            await self.open.wait()  # it may have become a hole while we were reading
            if not chunk:
                return
            await loop.sock_sendall(sink, chunk)

    def close(self) -> None:
        for end in self._ends:
            end.close()

    def reset(self) -> None:
        """Let the closing be heard as an RST."""
        for end in self._ends:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


class Proxy:
    """A TCP proxy on a port of its own, in a thread of its own. As a context manager it is started, and removed after.

    Args:
        target: The port on 127.0.0.1 that it forwards to. It may be set to another one; new connections go there.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.seconds = 0.0
        self._port = Port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._links: dict[asyncio.Task[None], _Link] = {}
        self._door: asyncio.Task[None] | None = None
        self._new_ones_work = True

    @property
    def port(self) -> int:
        return self._port.number

    def through(self, url: str) -> str:
        """Return a server's URL with the proxy's port in it."""
        parts = urlsplit(url)
        return parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{self.port}")).geturl()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._links)

    def cut(self, *, reset: bool = False) -> None:
        """Close every connection, with an RST if you like; new ones work."""
        self._do(self._cut(reset=reset))

    def black_hole(self, *, new_ones_work: bool = True) -> None:
        """Read and write nothing on the connections that there are, and leave them open.

        Args:
            new_ones_work: Whether a later connection is forwarded; otherwise it is accepted, and as silent.
        """
        self._do(self._black_hole(new_ones_work=new_ones_work))

    def refuse(self) -> None:
        """Refuse new connections; the open ones go on."""
        self._do(self._refuse())

    def delay(self, seconds: float) -> None:
        """Deliver everything that comes from now on so much later, each way."""
        self.seconds = seconds

    def restore(self) -> None:
        """Work as at first. What stood in a black hole is delivered, as after a network's failure."""
        self._do(self._restore())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)

    async def _open(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(_BACKLOG)
        listener.settimeout(0)
        self._door = asyncio.create_task(self._admit(listener))

    async def _admit(self, listener: socket.socket) -> None:
        with listener:
            while True:
                client, _ = await asyncio.get_running_loop().sock_accept(listener)
                link = _Link(self, client)
                if self._new_ones_work:
                    link.open.set()
                task = asyncio.create_task(link.run())
                self._links[task] = link
                task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._links.pop(task).close()  # here, because a task that is cancelled before its first step does nothing

    async def _refuse(self) -> None:
        if self._door:
            self._door.cancel()
            await asyncio.gather(self._door, return_exceptions=True)
            self._door = None

    async def _cut(self, *, reset: bool) -> None:
        links = dict(self._links)
        for task, link in links.items():
            if reset:
                link.reset()
            task.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def _black_hole(self, *, new_ones_work: bool) -> None:
        self._new_ones_work = new_ones_work
        for link in self._links.values():
            link.open.clear()

    async def _restore(self) -> None:
        self.seconds = 0.0
        self._new_ones_work = True
        for link in self._links.values():
            link.open.set()
        if self._door is None:
            await self._open()

    async def _end(self) -> None:
        await self._refuse()
        await self._cut(reset=False)

    def close(self) -> None:
        """Close everything, and end the thread."""
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()
        self._port.close()

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

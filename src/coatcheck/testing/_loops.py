"""A server that calls an ASGI application, in an event loop that runs in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self, TypeVar

from coatcheck.testing.browsers import PATIENCE, Answer, SocketRefused, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from coatcheck.testing.browsers import Socket

    Message = dict[str, Any]
    App = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]

T = TypeVar("T")


class LoopThread:
    """An event loop that runs in a thread of its own, as a server's does; to be entered and left."""

    def __init__(self) -> None:
        """Start with no thread."""
        self._ready: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        self._ready.set_result(asyncio.get_running_loop())
        await self._over.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        self._loop = self._ready.result(PATIENCE)
        return self

    def __exit__(self, *failure: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(PATIENCE)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run something in the loop, such as what opens a server or closes the sessions."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)


class ASGIServer(LoopThread):
    """Calls an ASGI application as a server does, in a thread of its own. It brings no lifespan."""

    def __init__(self, application: App) -> None:
        """Keep the application."""
        super().__init__()
        self._application = application

    def __call__(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        """Serve one request beside all others."""
        with self._connected(_scope("http", path, headers) | {"method": method}) as connection:
            connection.put({"type": "http.request", "body": b"", "more_body": False})
            start, *rest = iter(connection.next, None)
        pairs = [(name.decode().lower(), value.decode("latin-1")) for name, value in start["headers"]]
        return Answer(start["status"], pairs, b"".join(event.get("body", b"") for event in rest))

    @contextmanager
    def stream(self, path: str, headers: dict[str, str]) -> Generator[Stream]:
        """Send a GET, and give what comes while it comes."""
        with self._connected(_scope("http", path, headers) | {"method": "GET"}) as connection:
            connection.put({"type": "http.request", "body": b"", "more_body": False})
            start = connection.next()
            if start is None:
                raise ConnectionError("the application has not answered")
            yield Stream(start["status"], connection.part)

    @contextmanager
    def socket(self, path: str, headers: dict[str, str]) -> Generator[Socket]:
        """Open a WebSocket.

        Raises:
            SocketRefused: The application has closed it before it was open.
        """
        with self._connected(_scope("websocket", path, headers) | {"subprotocols": []}) as connection:
            connection.put({"type": "websocket.connect"})
            first = connection.next()
            if first is None or first["type"] != "websocket.accept":
                raise SocketRefused(str(first))
            yield connection

    @contextmanager
    def _connected(self, scope: Message) -> Generator[_Connection]:
        connection = self.run(_Connection.opened(self._application, scope))
        try:
            yield connection
        finally:
            self.run(connection.end())


class _Connection:
    """One connection to the application: its task in the event loop, and what has come of it to the test's thread."""

    def __init__(self, application: App, scope: Message) -> None:
        self._loop = asyncio.get_running_loop()
        self._kind = scope["type"]
        self._to_application: asyncio.Queue[Message] = asyncio.Queue()
        self._from_application: SimpleQueue[Message | None] = SimpleQueue()
        self._task = asyncio.create_task(application(scope, self._to_application.get, self._send))
        self._task.add_done_callback(lambda _: self._from_application.put(None))

    @classmethod
    async def opened(cls, application: App, scope: Message) -> _Connection:
        return cls(application, scope)

    async def _send(self, message: Message) -> None:
        self._from_application.put(message)

    async def end(self) -> None:
        if not self._task.done():
            self._to_application.put_nowait({"type": f"{self._kind}.disconnect", "code": 1001})
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        elif not self._task.cancelled():
            self._task.result()

    def put(self, message: Message) -> None:
        self._loop.call_soon_threadsafe(self._to_application.put_nowait, message)

    def next(self) -> Message | None:
        try:
            return self._from_application.get(timeout=PATIENCE)
        except Empty:
            raise TimeoutError("nothing more has come") from None

    # --- streams

    def part(self) -> bytes:
        message = self.next()
        while message is not None and message["type"] == "http.response.body":
            if body := bytes(message.get("body", b"")):
                return body
            if not message.get("more_body", False):
                break
            message = self.next()
        return b""

    # --- sockets

    def say(self, text: str) -> None:
        self.put({"type": "websocket.receive", "text": text})

    def hear(self) -> str:
        message = self.next()
        if message is None or message["type"] != "websocket.send":
            raise ConnectionError(str(message))
        return str(message["text"])

    def closed(self) -> int:
        while (message := self.next()) is not None:
            if message["type"] == "websocket.close":
                return int(message["code"])
        return 1006


def _scope(kind: str, path: str, headers: dict[str, str]) -> Message:
    route, _, query = path.partition("?")
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": {"http": "http", "websocket": "ws"}[kind],
        "path": route,
        "raw_path": route.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("192.0.2.7", 4711),
        "server": ("site.example", 80),
    }

"""A browser for tests: it speaks ASGI to an application, keeps cookies, and says where its requests come from.

Unlike a test client on top of an HTTP library it sends exactly the header lines it is told to, twice if need be,
and any number of requests of any number of browsers run in one event loop.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from coatcheck.asgi.types import App, Headers, Message, Scope

COOKIE = "__Host-session"
DEADLINE = 30.0
"""After so many seconds what has not happened will not."""

HeaderLines = list[tuple[str, str]]


@dataclass
class Answer:
    """One HTTP response."""

    status: int
    headers: Headers
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return the values of a header, one for each line."""
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == name.lower().encode()]

    def header(self, name: str) -> str | None:
        """Return the value of a header that comes once, or None."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)

    def vary(self) -> set[str]:
        """Return the members of Vary, in lower case."""
        return {part.strip().lower() for line in self.all("vary") for part in line.split(",")}


@dataclass
class Browser:
    """One browser: its cookies, its address, its description of itself."""

    app: App
    cookies: dict[str, str] = field(default_factory=dict)
    user_agent: str | None = "Browser/1.0"
    address: tuple[str, int] | None = ("192.0.2.1", 50_000)
    host: str = "testserver"
    scheme: str = "https"
    http_version: str = "1.1"
    headers: HeaderLines = field(default_factory=list)

    @property
    def token(self) -> str:
        """What the session cookie carries; empty without one."""
        return self.cookies.get(COOKIE, "")

    @token.setter
    def token(self, value: str) -> None:
        self.cookies[COOKIE] = value

    async def get(self, path: str, **options: Any) -> Answer:
        """Follow a link or fetch data."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> Answer:
        """Send a request of the site's own pages."""
        return await self.request("POST", path, json=json, **options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        headers: Iterable[tuple[str, str]] | None = None,
        raw_headers: Headers | None = None,
    ) -> Answer:
        """Send a request and keep the cookies of the answer.

        Args:
            method: The method.
            path: The path with its query, percent-encoded.
            json: What the body carries.
            headers: Instead of what a browser says about where a request comes from.
            raw_headers: Instead of all headers.
        """
        lines = self._lines(method, headers) if raw_headers is None else raw_headers
        answer = await exchange(self.app, self._scope(method, path, lines), _body(json))
        self._keep(answer)
        return answer

    def _lines(self, method: str, headers: Iterable[tuple[str, str]] | None) -> Headers:
        if headers is None:
            headers = [] if method == "GET" else [("sec-fetch-site", "same-origin")]
        lines = [("host", self.host), *self.headers, *headers]
        if self.user_agent is not None:
            lines.append(("user-agent", self.user_agent))
        if self.cookies and not any(name == "cookie" for name, _ in lines):
            lines.append(("cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
        return [(name.lower().encode(), value.encode("latin-1")) for name, value in lines]

    def _scope(self, method: str, path: str, headers: Headers) -> Scope:
        raw_path, _, query = path.partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": self.http_version,
            "method": method,
            "scheme": self.scheme,
            "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
            "raw_path": raw_path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": headers,
            "client": self.address,
            "server": (self.host, 443),
        }

    def _keep(self, answer: Answer) -> None:
        for line in answer.all("set-cookie"):
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncGenerator[Stream]:
        """Open a response that goes on until somebody ends it."""
        stream = Stream()
        scope = self._scope("GET", path, self._lines("GET", None))
        stream.task = task = asyncio.create_task(_served(self.app, scope, stream))
        try:
            yield stream
        finally:
            stream.hung_up.set()
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    @asynccontextmanager
    async def websocket(self, path: str, headers: Iterable[tuple[str, str]] | None = None) -> AsyncGenerator[Socket]:
        """Open a WebSocket, as a page of the site does."""
        socket = Socket()
        if headers is None:
            headers = [("origin", f"https://{self.host}")]
        scope = self._scope("GET", path, self._lines("GET", headers))
        extensions: dict[str, Any] = {"websocket.http.response": {}}
        scope.update({"type": "websocket", "scheme": "wss", "subprotocols": [], "extensions": extensions})
        del scope["method"]
        await socket.inbox.put({"type": "websocket.connect"})
        task = asyncio.ensure_future(self.app(scope, socket.inbox.get, socket.outbox.put))
        task.add_done_callback(lambda _: socket.outbox.put_nowait({"type": "test.done"}))
        try:
            yield socket
        finally:
            await socket.inbox.put({"type": "websocket.disconnect", "code": 1005, "reason": ""})
            async with asyncio.timeout(DEADLINE):
                await asyncio.wait([task])
        task.result()


async def _served(app: App, scope: Scope, stream: Stream) -> None:
    """Serve a stream, and say when the application has returned to the server."""
    await app(scope, stream.receive, stream.send)
    stream.returned.set()


class Stream:
    """The client's end of a streaming response."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.returned = asyncio.Event()
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.hung_up = asyncio.Event()
        self._asked = False

    async def receive(self) -> Message:
        """Bring the application an empty body, and later the news that the client has gone."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take what the application sends."""
        await self.messages.put(message)

    async def next(self) -> Message:
        """Return the next message of the response."""
        async with asyncio.timeout(DEADLINE):
            return await self.messages.get()

    async def rest(self) -> bytes:
        """Return the rest of the body, until its end."""
        body = b""
        while True:
            message = await self.next()
            body += bytes(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                return body


class Socket:
    """The client's end of a WebSocket."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self.outbox: asyncio.Queue[Message] = asyncio.Queue()

    async def say(self, text: str) -> None:
        """Send text."""
        await self.inbox.put({"type": "websocket.receive", "text": text})

    async def next(self) -> Message:
        """Return the next message of the application."""
        async with asyncio.timeout(DEADLINE):
            return await self.outbox.get()

    async def heard(self) -> str:
        """Return the next text."""
        message = await self.next()
        assert message["type"] == "websocket.send", message
        return str(message["text"])

    async def accepted(self) -> Message:
        """Wait until the handshake is over."""
        message = await self.next()
        assert message["type"] == "websocket.accept", message
        return message

    async def close_code(self) -> int:
        """Wait until the application closes the socket; what it says before is dropped."""
        while (message := await self.next())["type"] != "websocket.close":
            assert message["type"] == "websocket.send", message
        return int(message["code"])

    async def denied(self) -> Answer:
        """Wait until the handshake is refused, and return the answer."""
        start, body = await self.next(), await self.next()
        assert start["type"] == "websocket.http.response.start", start
        return Answer(start["status"], start["headers"], body["body"])


async def exchange(app: App, scope: Scope, body: bytes = b"") -> Answer:
    """Send one request to an application and collect its response."""
    sent: list[Message] = []
    done = asyncio.Event()
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": body, "more_body": False}
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            done.set()

    await app(scope, receive, send)
    start, *rest = sent
    assert start["type"] == "http.response.start"
    return Answer(start["status"], list(start["headers"]), b"".join(part.get("body", b"") for part in rest))


def _body(value: Any) -> bytes:
    return b"" if value is None else json.dumps(value).encode()


@asynccontextmanager
async def started(app: App) -> AsyncGenerator[None]:
    """Start an application as a server does, and stop it afterwards."""
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message] = asyncio.Queue()
    task = asyncio.ensure_future(app({"type": "lifespan", "asgi": {"version": "3.0"}}, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    async with asyncio.timeout(DEADLINE):
        if (await outbox.get())["type"] != "lifespan.startup.complete":
            await task
    try:
        yield
    finally:
        await inbox.put({"type": "lifespan.shutdown"})
        async with asyncio.timeout(DEADLINE):
            await task
        assert (await outbox.get())["type"] == "lifespan.shutdown.complete"


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: It never is.
    """
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.002)

"""Browsers for sites under test: each calls the site as a server would, and keeps cookies as a browser does."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self
from wsgiref.util import setup_testing_defaults

if TYPE_CHECKING:
    from collections.abc import Callable


_pool = ThreadPoolExecutor(16, thread_name_prefix="browser")


class Answer(NamedTuple):
    """What a site has answered; the names of headers are in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for key, value in self.headers if key == name]

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Server(Protocol):
    """Something that answers one request, on whichever thread it is asked."""

    def __call__(self, method: str, path: str, headers: dict[str, str]) -> Answer: ...


class Browser:
    """One visitor."""

    def __init__(self, server: Server) -> None:
        """Start without cookies."""
        self._server = server
        self.cookies: dict[str, str] = {}

    def __call__(self, method: str, path: str, cookies: dict[str, str] | None = None, **headers: str) -> Answer:
        """Send a request with the cookies there are, or with others."""
        sent = self.cookies if cookies is None else cookies
        if sent:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in sent.items())
        headers |= {"host": "site.example", "sec-fetch-site": "same-origin", "user-agent": "Browser/1"}
        answer = self._server(method, path, headers)
        for line in answer.all("set-cookie"):
            self._keep(line)
        return answer

    def _keep(self, line: str) -> None:
        for name, morsel in SimpleCookie(line).items():
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value

    def start(self, method: str, path: str) -> Future[Answer]:
        """Send a request beside others."""
        return _pool.submit(self, method, path)


class WSGIServer:
    """Calls a WSGI application."""

    def __init__(self, application: Callable[..., Any]) -> None:
        """Keep the application."""
        self._application = application

    def __call__(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        """Serve one request, in the thread of the caller."""
        route, _, query = path.partition("?")
        environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": route, "QUERY_STRING": query}
        environ |= {"REMOTE_ADDR": "192.0.2.7", "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"}
        environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        setup_testing_defaults(environ)
        begun: list[Any] = []
        body = self._application(environ, lambda status, pairs, _=None: begun.extend((status, pairs)))
        try:
            content = b"".join(body)
        finally:
            getattr(body, "close", lambda: None)()
        status, pairs = begun
        return Answer(int(status.split()[0]), [(name.lower(), value) for name, value in pairs], content)


class ASGIServer:
    """Calls an ASGI application, in an event loop that runs in a thread of its own as a server's does."""

    def __init__(self, application: Callable[..., Any]) -> None:
        """Keep the application."""
        self._application = application
        self._ready: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        self._ready.set_result(asyncio.get_running_loop())
        await self._over.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        self._loop = self._ready.result()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def __call__(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        """Serve one request beside all others."""
        return asyncio.run_coroutine_threadsafe(self._request(method, path, headers), self._loop).result()

    async def _request(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        route, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": route,
            "raw_path": route.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("192.0.2.7", 4711),
            "server": ("site.example", 80),
        }
        events: list[dict[str, Any]] = []
        asked = False
        never = asyncio.Event()

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if asked:
                await never.wait()
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(event: dict[str, Any]) -> None:
            events.append(event)

        await self._application(scope, receive, send)
        start, *rest = events
        pairs = [(name.decode().lower(), value.decode()) for name, value in start["headers"]]
        return Answer(start["status"], pairs, b"".join(event.get("body", b"") for event in rest))

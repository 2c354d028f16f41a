"""Requests to an application that is called directly, as its server would call it: no network is between them."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

from benchmarks.measure import insist, timing
from benchmarks.scene import USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from wsgiref.types import WSGIApplication

    from benchmarks.measure import Batch
    from coatcheck.asgi.types import App, Message, Scope

_OK = 200
_HEADERS = {
    "host": "app.example",
    "user-agent": USER_AGENT,
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-language": "en-GB,en;q=0.5",
    "accept-encoding": "gzip, deflate, br, zstd",
    "sec-fetch-site": "same-origin",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
}


def asgi(app: App, cookies: Sequence[bytes]) -> Batch:
    """Return a case that sends one request for each cookie header."""
    scopes = [scope_of(cookie) for cookie in cookies]
    answers: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        answers.append(message)

    async def batch() -> float:
        with timing(len(scopes), collecting=True) as took:
            for scope in scopes:
                await app({**scope, "headers": list(scope["headers"]), "state": {}}, receive, send)
        insist([answer["status"] for answer in answers if "status" in answer] == [_OK] * len(scopes))
        answers.clear()
        return took.each

    return batch


def scope_of(cookie: bytes) -> Scope:
    """Return what a server hands to an application for one request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [*((name.encode(), value.encode()) for name, value in _HEADERS.items()), (b"cookie", cookie)],
        "client": ("192.0.2.123", 50000),
        "server": ("127.0.0.1", 8000),
    }


def wsgi(app: WSGIApplication, cookies: Sequence[bytes], path: str = "/") -> Callable[[], float]:
    """Return a function that sends one request for each cookie header, and says how many nanoseconds one took."""
    environs = [_environ(cookie, path) for cookie in cookies]
    statuses: list[str] = []

    def start(status: str, *_: Any) -> Callable[[bytes], object]:
        statuses.append(status)
        return statuses.append  # type: ignore[return-value]

    def batch() -> float:
        with timing(len(environs), collecting=True) as took:
            for environ in environs:
                body: Any = app({**environ, "wsgi.input": BytesIO()}, start)
                b"".join(body)
                if hasattr(body, "close"):
                    body.close()
        insist(statuses == ["200 OK"] * len(environs))
        statuses.clear()
        return took.each

    return batch


def _environ(cookie: bytes, path: str) -> dict[str, Any]:
    named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in _HEADERS.items()}
    environ: dict[str, Any] = {**named, "HTTP_COOKIE": cookie.decode(), "wsgi.url_scheme": "https"}
    environ |= {"REQUEST_METHOD": "GET", "PATH_INFO": path, "REMOTE_ADDR": "192.0.2.123"}
    setup_testing_defaults(environ)
    return environ

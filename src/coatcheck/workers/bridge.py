"""One request of a Worker as an ASGI application sees it, and its answer as the Worker returns it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from coatcheck import bindings

if TYPE_CHECKING:
    from coatcheck.asgi.types import App, Headers, Message, Scope

_BODILESS: Final = frozenset({101, 204, 205, 304})


class Answered:
    """What an application has sent, whole: a Worker's answer begins when the application has ended."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.status = 0
        self.headers: Headers = []
        self.body: list[bytes] = []

    async def send(self, message: Message) -> None:
        """Take one message."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self.body.append(bytes(message.get("body", b"")))

    def response(self) -> Any:
        """Return it as JavaScript's Response."""
        # Each value by itself: two cookies must not become one header.
        headers = [[key.decode("latin-1"), value.decode("latin-1")] for key, value in self.headers]
        body = b"".join(self.body)
        content = None if self.status in _BODILESS or not body else bindings.bytes_of(body)
        return bindings.javascript().Response.new(content, bindings.object_of(status=self.status, headers=headers))


def scope_of(request: Any) -> Scope:
    """Return the ASGI scope of JavaScript's Request."""
    url = urlsplit(str(request.url))
    pairs = bindings.parsed(getattr(bindings.javascript().Array, "from")(request.headers.entries()))
    headers = [(key.lower().encode("latin-1"), value.encode("latin-1", "replace")) for key, value in pairs]
    if not any(key == b"host" for key, _ in headers):
        headers.append((b"host", url.netloc.encode()))
    # Cloudflare itself writes this header, and takes away one that a client has sent.
    address = next((value.decode() for key, value in headers if key == b"cf-connecting-ip"), None)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": unquote(url.path),
        "raw_path": url.path.encode(),
        "query_string": url.query.encode(),
        "root_path": "",
        "headers": headers,
        "client": None if address is None else (address, 0),
        "server": (url.hostname, url.port or (443 if url.scheme == "https" else 80)),
    }


async def run(app: App, scope: Scope, request: Any) -> Answered:
    """Serve one request; what the application raises goes on."""
    answered, over = Answered(), asyncio.Event()
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if asked:
            await over.wait()
            return {"type": "http.disconnect"}
        asked = True
        body = b"" if scope["method"] in {"GET", "HEAD"} else (await request.arrayBuffer()).to_bytes()
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    try:
        await app(scope, receive, answered.send)
    finally:
        over.set()
    return answered


def keep_alive(context: Any, task: asyncio.Future[Any]) -> None:
    """Let a task end even if the client goes away or has its answer already: `waitUntil`.

    Without it, a request that ends early could leave the others of its isolate waiting for what it has begun.
    """
    if context is None:
        return
    proxy = bindings.proxy_of(task)
    context.waitUntil(bindings.javascript().Promise.resolve(proxy))
    task.add_done_callback(lambda _: proxy.destroy())

"""Requests to the gate's application in this process, in the exact form in which each proxy makes them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from coatcheck import AsyncSessions, Settings
from coatcheck.serve.application import Served
from tests.web.browser import Answer, exchange, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

COOKIE = "__Host-session"


class Asked:
    """The gate's application, and its sessions."""

    def __init__(self, served: Served) -> None:
        self.served = served

    @property
    def sessions(self) -> AsyncSessions:
        assert isinstance(self.served.sessions, AsyncSessions)
        return self.served.sessions

    async def token(self, user: str | None = "ada", **how: Any) -> str:
        return (await self.sessions.create(user, **how)).token.reveal()

    async def request(
        self, method: str, path: str, *headers: tuple[str, str], body: bytes = b"", scheme: str = "http"
    ) -> Answer:
        """Send a request, as a server hands it to the application."""
        raw_path, _, query = path.partition("?")
        lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": scheme,
            "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
            "raw_path": raw_path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": lines,
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8100),
        }
        return await exchange(self.served, scope, body)

    async def ask(
        self,
        way: str,
        *headers: tuple[str, str],
        method: str = "GET",
        uri: str = "/",
        host: str = "shop.example.org",
        scheme: str = "https",
    ) -> Answer:
        """Ask about a request, as one of the proxies does: "nginx", "traefik", "caddy" or "envoy", or "optional/…"."""
        optional, name = way.startswith("optional/"), way.removeprefix("optional/")
        prefix = "/auth/optional/" if optional else "/auth/"
        if name == "envoy":  # the method, Host and path of the client; and no body
            own = [("Host", host), ("Content-Length", "0"), ("X-Forwarded-Proto", scheme)]
            return await self.request(method, f"{prefix}envoy{uri}", *own, *headers)
        own = [
            ("Host", "127.0.0.1:8100"),
            ("X-Forwarded-Method", method),
            ("X-Forwarded-Proto", scheme),
            ("X-Forwarded-Host", host),
            ("X-Forwarded-Uri", uri),
            ("X-Forwarded-For", "192.0.2.7"),
        ]
        return await self.request("GET", prefix + ("nginx" if name == "nginx" else "forward"), *own, *headers)


@asynccontextmanager
async def asked(folder: Path, environ: Mapping[str, str] | None = None, **code: Any) -> AsyncIterator[Asked]:
    """Run the gate's application for a while."""
    settings = Settings.load(environ={"COATCHECK_STORE": f"sqlite:///{folder}/gate.db", **(environ or {})}, **code)
    served = Served(settings)
    async with started(served):
        yield Asked(served)


def cookie(token: str) -> tuple[str, str]:
    return "Cookie", f"{COOKIE}={token}"

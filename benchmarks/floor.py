"""What one would write by hand, with no revocation, no rule and no settings: the least a session can cost."""

from __future__ import annotations

from hashlib import sha256
from time import time
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.scene import COOKIE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from coatcheck.asgi.types import App, Message, Receive, Scope, Send

KEY = "floor"


class Known(NamedTuple):
    """What the floor keeps of a session."""

    expires_at: float
    user_id: str


class Floor:
    """A dictionary of sessions by the hash of their tokens."""

    def __init__(self, tokens: Iterable[bytes], version: Callable[[], int] | None = None) -> None:
        """Fill the dictionary; with a `version`, sessions count only while that stands still."""
        self.known = {sha256(token).digest(): Known(time() + 3600, "user-1") for token in tokens}
        self._version = version
        self._seen = version() if version else 0

    def lookup(self, header: bytes) -> Known | None:
        """Scan the cookies, hash, look up, compare the expiry."""
        for pair in header.split(b";"):
            name, _, value = pair.strip().partition(b"=")
            if name == COOKIE:
                known = self.known.get(sha256(value).digest())
                return known if known is not None and time() < known.expires_at else None
        return None

    def lookup_if_unchanged(self, header: bytes) -> Known | None:
        """Do the same, and look at SQLite's `data_version`."""
        for pair in header.split(b";"):
            name, _, value = pair.strip().partition(b"=")
            if name == COOKIE:
                known = self.known.get(sha256(value).digest())
                if known is None or time() >= known.expires_at:
                    return None
                return known if self._version is None or self._version() == self._seen else None
        return None


def data_version(connection: sqlite3.Connection) -> Callable[[], int]:
    """Return a function that says whether another connection has committed."""

    def version() -> int:
        number: int = connection.execute("PRAGMA data_version").fetchone()[0]
        return number

    return version


class FloorMiddleware:
    """The middleware one would write by hand."""

    def __init__(self, app: App, lookup: Callable[[bytes], Known | None]) -> None:
        """Wrap an application."""
        self.app = app
        self.lookup = lookup

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the session into the scope and `Vary` into the response."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope[KEY] = None
        for name, value in scope["headers"]:
            if name == b"cookie":
                scope[KEY] = self.lookup(value)

        async def varying(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"vary", b"Cookie"))
            await send(message)

        await self.app(scope, receive, varying)

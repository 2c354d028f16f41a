"""Requests to a plain ASGI application, as a server would hand them on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from coatcheck.asgi.types import App

FORM = (b"content-type", b"application/x-www-form-urlencoded")
JSON = (b"content-type", b"application/json")


class Answered(NamedTuple):
    status: int
    headers: dict[bytes, bytes]
    body: bytes


async def request(
    app: App, body: bytes | list[bytes], *headers: tuple[bytes, bytes], method: str = "POST", whole: bool = True
) -> Answered:
    """Send one request, its body in one or more chunks; not `whole` is one whose sender has gone."""
    chunks = body if isinstance(body, list) else [body]
    more = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages: list[dict[str, Any]] = [*more, {"type": "http.request"} if whole else {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/", "headers": list(headers)}
    await app(scope, receive, send)
    start, end = sent
    return Answered(start["status"], dict(start["headers"]), end["body"])


class Told:
    """Stands for the sessions: notes what it is told, each message once; or fails."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.seen: set[tuple[str, str]] = set()
        self.error: Exception | None = None

    async def told(
        self,
        message: tuple[str, str],
        *,
        logins: Iterable[tuple[str, str]] = (),
        sessions: Iterable[str] = (),
        users: Iterable[str] = (),
        signed_out: Iterable[tuple[str, datetime]] = (),
    ) -> bool:
        if self.error is not None:
            raise self.error
        if message in self.seen:
            return False
        self.seen.add(message)
        kinds: dict[str, Sequence[Any]] = {
            "logins": list(logins),
            "sessions": list(sessions),
            "users": list(users),
            "signed_out": list(signed_out),
        }
        self.said.append({name: values for name, values in kinds.items() if values})
        return True

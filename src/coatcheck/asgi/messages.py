"""What other servers send us: small messages in a POST, for plain ASGI applications that act on them.

Such an application needs no session and no cookie, so it can stand behind the middleware or beside it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from coatcheck.asgi.types import Receive, Scope, Send

LARGEST: Final = 64 * 1024
"""Octets of a message that are read."""


class HearsOfSignOuts(Protocol):
    """Who is told: `AsyncProviderSessions`."""

    async def told(
        self,
        message: tuple[str, str],
        *,
        logins: Iterable[tuple[str, str]] = (),
        sessions: Iterable[str] = (),
        users: Iterable[str] = (),
        signed_out: Iterable[tuple[str, datetime]] = (),
    ) -> bool:
        """Act on a message that counts only once; returns False for one that has counted already."""
        ...


class Reply(NamedTuple):
    """What is answered."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Refusal(Exception):
    """A message is answered at once, and not acted on."""

    def __init__(self, status: int, error: str, description: str, *headers: tuple[bytes, bytes]) -> None:
        """Say why, in the form of OAuth's errors (RFC 6749 section 5.2); never with anything out of the message."""
        super().__init__(description)
        body = json.dumps({"error": error, "error_description": description}).encode()
        self.reply = Reply(status, body, ((b"content-type", b"application/json"), *headers))


def unavailable(retry_after: int) -> Refusal:
    """Return the answer to a message that nobody can act on now: the sender should send it again."""
    description = "this cannot be recorded at the moment; send it again"
    return Refusal(503, "temporarily_unavailable", description, (b"retry-after", str(retry_after).encode()))


async def message_of(scope: Scope, receive: Receive, media_type: bytes) -> bytes:
    """Return the body of a POST.

    Raises:
        Refusal: It is no POST, of another media type, or too long.
    """
    if scope["method"] != "POST":
        raise Refusal(405, "invalid_request", "use POST", (b"allow", b"POST"))
    found = [value for name, value in scope["headers"] if name == b"content-type"]
    if [value.partition(b";")[0].strip().lower() for value in found] != [media_type]:
        raise Refusal(415, "invalid_request", f"send {media_type.decode()}")
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "invalid_request", "the message is not whole")
        chunk: bytes = message.get("body", b"")
        body += chunk
        if len(body) > LARGEST:
            raise Refusal(413, "invalid_request", f"send at most {LARGEST} bytes", (b"connection", b"close"))
        if not message.get("more_body", False):
            return body


async def respond(send: Send, reply: Reply) -> None:
    """Answer; nothing of it may be stored."""
    length = (b"content-length", str(len(reply.body)).encode())
    headers = [(b"cache-control", b"no-store"), length, *reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def refuse_socket(scope: Scope, send: Send) -> bool:
    """Close what is no request of HTTP; tells whether it was none."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
    return bool(scope["type"] != "http")

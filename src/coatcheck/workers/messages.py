"""Requests and responses for those without a framework."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.asgi.types import Receive, Scope, Send


class Request:
    """One request.

    Attributes:
        method: Its method, such as "GET".
        path: Its path, decoded.
        headers: Its headers, by their names in lower case.
        env: The Worker's bindings.
    """

    def __init__(self, scope: Scope, receive: Receive, env: Any) -> None:
        """Read nothing of its body yet."""
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Mapping[str, str] = {key.decode(): value.decode("latin-1") for key, value in scope["headers"]}
        self.env = env
        self._query: bytes = scope["query_string"]
        self._receive = receive
        self._body: bytes | None = None

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters in the URL; of several with one name the last."""
        return dict(parse_qsl(self._query.decode("latin-1"), keep_blank_values=True))

    async def body(self) -> bytes:
        """Return the body."""
        body = self._body
        if body is None:
            body = self._body = (await self._receive()).get("body", b"")
        return body

    async def json(self) -> Any:
        """Return the body's JSON value.

        Raises:
            ValueError: It is none.
        """
        return json.loads(await self.body())

    async def form(self) -> Mapping[str, str]:
        """Return the fields of a form, url-encoded as browsers send it; of several with one name the last."""
        return dict(parse_qsl((await self.body()).decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Response:
    """What to answer.

    Attributes:
        body: The body.
        status: The status code.
        content_type: What the body is.
        headers: More headers.
    """

    body: str | bytes = b""
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Response:
        """Answer with a JSON value."""
        return cls(json.dumps(value), status, "application/json")

    @classmethod
    def html(cls, text: str, status: int = 200) -> Response:
        """Answer with a page."""
        return cls(text, status, "text/html; charset=utf-8")

    @classmethod
    def redirect(cls, path: str) -> Response:
        """Send the browser to another page, with GET."""
        return cls(b"", 303, headers={"location": path})

    async def send(self, send: Send) -> None:
        """Send it to an ASGI server."""
        body = self.body.encode() if isinstance(self.body, str) else self.body
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        if body:
            headers.append((b"content-type", self.content_type.encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

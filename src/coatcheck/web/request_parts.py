"""What one request carries besides who is signed in, and what its response must carry: no question is asked here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.core.addresses import client_address
from coatcheck.core.transport import Transport
from coatcheck.web.pages import NO_STORE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coatcheck.web.settings import WebSettings
    from coatcheck.web.types import Headers


class RequestParts:
    """The headers and cookies of one request, and the cookies of its response."""

    __slots__ = ("_client", "_cookies", "_further_cookies", "_headers", "_transport", "consulted", "settings")

    # All attributes are set by `RequestContext`: three constructors in a row would cost each request 0.3 µs.
    settings: WebSettings
    consulted: bool
    _headers: Headers
    _client: tuple[str, int] | None
    _transport: Transport
    _cookies: tuple[bytes, ...]
    _further_cookies: Mapping[str, bytes]

    def _is_bearer(self) -> bool:
        return self._transport.is_bearer(self._headers)

    def read_cookie(self, name: str, well_formed: Callable[[bytes], bool]) -> bytes:
        """Return the value of another cookie of ours, or nothing; two different ones count as none (rule C7)."""
        self.consulted = True
        return Transport(cookies=(name.encode(),)).find(self._headers, well_formed)

    def send_cookie(self, name: str, line: bytes) -> None:
        """Have the response set another cookie of ours; the last for each name counts (rule C6)."""
        self.consulted = True  # or nothing would be added to the response
        self._further_cookies = {**self._further_cookies, name: line}

    def header_lines(self, name: bytes) -> tuple[bytes, ...]:
        """Return the values of a header, one for each line."""
        return tuple(value for key, value in self._headers if key == name)

    def has_session_cookie(self) -> bool:
        """Tell whether the request carries a cookie of the session's name, and no bearer token instead."""
        return self._transport.has_cookie(self._headers)

    @property
    def bearer(self) -> bool:
        """Whether `Authorization: Bearer` is read."""
        return self._transport.bearer

    def client_ip(self) -> str | None:
        """Return the client's address, believing only proxies that are trusted."""
        forwarded = self.header_lines(b"x-forwarded-for") if self.settings.trusted_hops else ()
        return client_address(self._client[0] if self._client else None, forwarded, self.settings.trusted_hops)

    def user_agent(self) -> str | None:
        """Return the browser's description of itself."""
        lines = self.header_lines(b"user-agent")
        return lines[0].decode("latin-1") if lines else None

    def finish(self, headers: Headers) -> None:
        """Add what the response must say: that it depends on the cookie, and the cookie itself."""
        if self.consulted:
            headers.append((b"vary", b"Cookie, Authorization" if self.bearer else b"Cookie"))
        if self._cookies or self._further_cookies:
            cookies = (*self._cookies, *self._further_cookies.values())
            # A stored Set-Cookie would sign other people in (rule H2).
            headers[:] = [pair for pair in headers if pair[0].lower() != b"cache-control"]
            headers += [NO_STORE, *((b"set-cookie", line) for line in cookies)]

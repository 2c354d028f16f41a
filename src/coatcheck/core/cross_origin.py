"""Protection against requests that another site makes with the visitor's cookie (CSRF).

Browsers say where a request comes from: in Sec-Fetch-Site, and in Origin. This is the algorithm of Go 1.25's
`net/http`, made stricter where the rules below X1 say so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.core.refusals import refuse

if TYPE_CHECKING:
    from collections.abc import Collection

AMBIGUOUS: Final = "ambiguous-headers"
"""Host, Origin or Sec-Fetch-Site came twice, or with several values in one."""

CROSS_SITE: Final = "cross-site"
"""Sec-Fetch-Site names another origin, or says nothing known, and Origin is not trusted."""

ORIGIN_MISMATCH: Final = "origin-mismatch"
"""Origin is neither the request's own scheme, host and port nor trusted."""

ORIGIN_MISSING: Final = "origin-missing"
"""A request with a session cookie does not say where it comes from."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing. Exact: methods have case (RFC 9110 section 9.1), and TRACE is no form's."""

_OWN: Final = frozenset({b"same-origin", b"none"})
_HTTP: Final = {"ws": "http", "wss": "https"}
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_PORT: Final = 65_535
_SEPARATORS: Final = (b",", b" ", b"\t")

# Letters are spelled out: with re.IGNORECASE, or lowered first, the Kelvin sign would count as a k.
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_METHOD: Final = re.compile(r"[A-Z][A-Z0-9_-]*")
# No pattern, no query, nothing that a router would have resolved before the path reaches us.
_NO_PATH: Final = re.compile(r"[\x00-\x20\x7f?#*{}\\]|//|/\.{1,2}(?:/|$)")


class CrossOriginRequest(NamedTuple):
    """What the decision needs to know of a request.

    Header fields hold one item for every line of that header, and are empty when it is absent.
    """

    method: str
    """As received; case matters."""
    path: str
    """The path that is routed, decoded, without the query: what the router saw, not the raw target."""
    scheme: str
    """"http", "https", "ws" or "wss", as the client used it (behind a proxy: as the trusted proxy says)."""
    host: tuple[bytes, ...]
    origin: tuple[bytes, ...]
    sec_fetch_site: tuple[bytes, ...]
    has_session_cookie: bool
    """Whether a session cookie was presented, valid or not."""
    websocket: bool = False
    """Whether this is a WebSocket handshake: a GET, yet never safe (rule X7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossOriginPolicy:
    """Which requests of other origins are let through (rule X1); by default none.

    Attributes:
        trusted_origins: Full origins, "scheme://host" or "scheme://host:port", which may make any request.
            Each is compared exactly: no subdomains, no other scheme or port (rule X5). Kept in
            lower case and without default ports.
        exempt: Requests that are let through from anywhere because something else protects them, as
            "POST /hook/" or ("POST", "/hook/"). Method and path are compared exactly (rule X4).
            Kept as pairs.
        allow_missing: Let requests through that carry a session cookie and neither Sec-Fetch-Site nor
            Origin, as clients other than browsers send them.
    """

    trusted_origins: Collection[str] = frozenset()
    exempt: Collection[str | tuple[str, str]] = frozenset()
    allow_missing: bool = False

    def __post_init__(self) -> None:
        for setting in ("trusted_origins", "exempt"):
            if isinstance(value := getattr(self, setting), str):
                refuse(setting, value, f"put it in a list: [{value!r}]", of="cross-origin")
        object.__setattr__(self, "trusted_origins", frozenset(map(_trusted, self.trusted_origins)))
        object.__setattr__(self, "exempt", frozenset(map(_exemption, self.exempt)))

    def refusal(self, request: CrossOriginRequest) -> str | None:
        """Return why the request must be answered with 403, or None if it may go on.

        Returns:
            None, `AMBIGUOUS`, `CROSS_SITE`, `ORIGIN_MISMATCH` or `ORIGIN_MISSING`.
        """
        if request.method in SAFE_METHODS and not request.websocket:
            return None
        if any(map(_ambiguous, (request.host, request.origin, request.sec_fetch_site))):
            return AMBIGUOUS
        reason = self._judge(request)
        if reason is None or (request.method, request.path) in self.exempt:
            return None
        return reason

    def _judge(self, request: CrossOriginRequest) -> str | None:
        # An empty value counts as absent, as in Go: it says nothing, and what follows is no weaker.
        site = b"".join(request.sec_fetch_site)
        if site in _OWN:
            return None
        origin = _origin(b"".join(request.origin))
        if site:
            return None if origin in self.trusted_origins else CROSS_SITE
        if any(request.origin):
            return None if self._is_expected(origin, request) else ORIGIN_MISMATCH
        return ORIGIN_MISSING if request.has_session_cookie and not self.allow_missing else None

    def _is_expected(self, origin: str | None, request: CrossOriginRequest) -> bool:
        if origin is None:
            return False
        return origin in self.trusted_origins or origin == _own_origin(request)


def _ambiguous(values: tuple[bytes, ...]) -> bool:
    """Tell whether a header has more than one value: on several lines, or joined on one.

    Which of them a browser wrote cannot be known. Origin can be a list by RFC 6454 section 7.1, separated by
    spaces; browsers send one.
    """
    return len(values) > 1 or any(separator in value for value in values for separator in _SEPARATORS)


def _own_origin(request: CrossOriginRequest) -> str | None:
    scheme = request.scheme.lower()
    return normal_origin(_HTTP.get(scheme, scheme), b"".join(request.host).decode("latin-1"))


def _origin(value: bytes) -> str | None:
    """Return the normal form of an Origin header, or None for "null" and whatever else is no origin."""
    scheme, _, authority = value.decode("latin-1").partition("://")
    return normal_origin(scheme, authority)


def normal_origin(scheme: str, authority: str) -> str | None:
    """Return `scheme://host[:port]` in lower case, without the default port; None if it is malformed."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None or not _SCHEME.fullmatch(scheme):
        return None
    scheme = scheme.lower()
    host = _normal_host(match[1].lower())
    port = int(match[2]) if match[2] else _DEFAULT_PORTS.get(scheme, 0)
    if host is None or port > _MAX_PORT or (match[2] and port == 0):
        return None
    return f"{scheme}://{host}" if port == _DEFAULT_PORTS.get(scheme, 0) else f"{scheme}://{host}:{port}"


def _normal_host(host: str) -> str | None:
    if not host.startswith("["):
        return host
    try:
        return f"[{IPv6Address(host[1:-1])}]"
    except ValueError:
        return None


def _trusted(origin: str) -> str:
    scheme, _, authority = origin.partition("://")
    normal = normal_origin(scheme, authority)
    if normal is None:
        refuse(
            "trusted_origins",
            origin,
            "use 'scheme://host' or 'scheme://host:port', without path or '*'",
            of="cross-origin",
        )
    if scheme.lower() in _HTTP:
        refuse(
            "trusted_origins",
            origin,
            f"use the origin of the page: '{_HTTP[scheme.lower()]}://{authority}'",
            of="cross-origin",
        )
    return normal


def _exemption(item: str | tuple[str, str]) -> tuple[str, str]:
    pair = tuple(item.split(" ", 1)) if isinstance(item, str) else tuple(item)
    if len(pair) != 2:  # noqa: PLR2004 - a pair
        refuse("exempt", item, "use 'METHOD /path', such as 'POST /hook/'", of="cross-origin")
    method, path = pair
    if not _METHOD.fullmatch(method):
        refuse("exempt", item, "start with one method in capital letters, such as 'POST /hook/'", of="cross-origin")
    if not path.startswith("/") or _NO_PATH.search(path):
        refuse(
            "exempt",
            item,
            "use one exact path such as '/hook/': no pattern, query, '//' or dot segment",
            of="cross-origin",
        )
    return method, path

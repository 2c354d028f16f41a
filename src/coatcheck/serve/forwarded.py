"""What a proxy says of the request that it asks about, and where sign-in may lead back: pure.

Three ways in which proxies ask:

- nginx (`auth_request`): a GET with the original headers, and what the configuration adds to them.
- Traefik (`ForwardAuth`) and Caddy (`forward_auth`): the same, with `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`.
- Envoy (`ext_authz`): the original method, Host and path, the path behind a prefix.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from coatcheck.core.cross_origin import normal_origin

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    Headers = Sequence[tuple[bytes, bytes]]

LONGEST_URI: Final = 2048
"""Octets of a request's address that are handed on to the sign-in page; without a longer one it goes to its default."""

_METHOD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_SCHEMES: Final = frozenset({"http", "https"})
# Path and query as browsers send them: of printable ASCII all but what nobody may send, and no fragment.
_URI: Final = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*(?:\?[\x21\x24-\x3b\x3d\x3f-\x7e]*)?")
# "/%2f" and "/%5c" are "//" and "/\" to whoever decodes once more than they should; and dot segments can become "//".
_LEADS_AWAY: Final = re.compile(r"\A/(?:/|%2f|%5c)|/(?:\.|%2e){1,2}(?:/|%2f|%5c|$)", re.IGNORECASE)
_ENCODED: Final = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")


class NotForwarded(Exception):
    """A proxy has not said, or has said twice, what it must say: its configuration is wrong. The message says what."""


class Seen(NamedTuple):
    """The request that a proxy asks about.

    Attributes:
        method: Its method, as the client has sent it.
        scheme: "http" or "https", as the client has used it.
        host: Its Host, with the port if it has one.
        uri: Its path and query, undecoded.
    """

    method: str
    scheme: str
    host: bytes
    uri: str


def seen_in_headers(headers: Headers) -> Seen:
    """Return what `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri` say.

    Raises:
        NotForwarded: One is missing, comes twice or cannot be: then nobody can tell what would be let through.
    """
    method = _one(headers, b"x-forwarded-method").decode("latin-1")
    scheme = _one(headers, b"x-forwarded-proto").decode("latin-1")
    return _checked(Seen(method, scheme, _one(headers, b"x-forwarded-host"), _uri(_one(headers, b"x-forwarded-uri"))))


def seen_as_sent(method: str, uri: bytes, headers: Headers) -> Seen:
    """Return what a request says of itself that a proxy passes on as it came; only the scheme stands in a header.

    Raises:
        NotForwarded: `X-Forwarded-Proto` or Host is missing, comes twice or cannot be.
    """
    scheme = _one(headers, b"x-forwarded-proto").decode("latin-1")
    return _checked(Seen(method, scheme, _one(headers, b"host"), _uri(uri)))


def scheme_of(headers: Headers) -> str | None:
    """Return the scheme that the client has used, as the proxy says; None where it says nothing.

    Raises:
        NotForwarded: It says two, or something else.
    """
    if not any(name == b"x-forwarded-proto" for name, _ in headers):
        return None
    scheme = _one(headers, b"x-forwarded-proto").decode("latin-1")
    return _checked(Seen("GET", scheme, b"", "/")).scheme


def _one(headers: Headers, name: bytes) -> bytes:
    found = [value for key, value in headers if key == name]
    if len(found) != 1 or not found[0]:
        problem = "comes twice" if len(found) > 1 else "is missing"
        raise NotForwarded(f"{name.decode('ascii')} {problem}: let the proxy set it, as docs/gate.md shows")
    return found[0]


def _checked(seen: Seen) -> Seen:
    if not _METHOD.fullmatch(seen.method):
        raise NotForwarded("x-forwarded-method is no method: let the proxy set it, as docs/gate.md shows")
    if seen.scheme not in _SCHEMES:
        raise NotForwarded("x-forwarded-proto is neither http nor https: let the proxy set it, as docs/gate.md shows")
    return seen


def _uri(value: bytes) -> str:
    return value.decode("latin-1")


def is_plain(uri: str) -> bool:
    """Tell whether an address is a path of a site, and can be read as nothing else by anybody."""
    if len(uri) > LONGEST_URI or not _URI.fullmatch(uri) or not _ENCODED.fullmatch(uri):
        return False
    return not _LEADS_AWAY.search(uri.partition("?")[0])


def sign_in_address(url: str, parameter: str, seen: Seen, origins: Collection[str]) -> str:
    """Return where a browser is sent to sign in, with the way back where that cannot lead to somebody else.

    A page of the same site gets a path. One elsewhere gets a whole address, of one of the origins that were named.

    Args:
        url: The page: a path, or an address.
        parameter: The parameter for the way back.
        seen: The request.
        origins: Those to which a page elsewhere may lead back, in their normal form.
    """
    if not is_plain(seen.uri):
        return url
    back = seen.uri
    if not url.startswith("/"):
        origin = normal_origin(seen.scheme, seen.host.decode("latin-1"))
        if origin not in origins:
            return url
        back = f"{origin}{seen.uri}"
    return f"{url}?{parameter}={quote(back, safe='')}"

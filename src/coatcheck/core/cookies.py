"""Cookies: the exact Set-Cookie header of a session, and the strict reader of Cookie headers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from coatcheck.core.refusals import refuse
from coatcheck.errors import CoatcheckError

MAX_PAIR: Final = 4096
"""Octets of name and value together; browsers drop more (RFC 6265bis section 5.6, rule C4)."""

MAX_ATTRIBUTE: Final = 1024
"""Octets of one attribute's value; browsers ignore a larger one (RFC 6265bis section 5.6, rule C4)."""

MAX_AGE: Final = 34_560_000
"""400 days in seconds, the longest life browsers grant a cookie (RFC 6265bis section 5.5, rule C4)."""

SameSite = Literal["lax", "strict", "none"]

_OWS: Final = b" \t"
_EPOCH: Final = "Thu, 01 Jan 1970 00:00:00 GMT"

# `token` of RFC 9110 section 5.6.2, and `cookie-octet` of RFC 6265bis section 4.1.1: no control character,
# space, quote, comma, semicolon or backslash. Always with fullmatch: `$` would let a final line feed pass.
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OCTETS: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


class CookieError(CoatcheckError, ValueError):
    """A cookie that browsers would refuse or misread was not sent."""


class _Prefix(NamedTuple):
    """What browsers demand of a cookie whose name starts with `spelling` (RFC 6265bis section 4.1.3)."""

    spelling: str
    host_only: bool
    http_only: bool


# The longest first: "__Host-Http-" also starts with "__Host-". Every one of them demands Secure.
_PREFIXES: Final = (
    _Prefix("__Host-Http-", host_only=True, http_only=True),
    _Prefix("__Host-", host_only=True, http_only=False),
    _Prefix("__Http-", host_only=False, http_only=True),
    _Prefix("__Secure-", host_only=False, http_only=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieSettings:
    """How the session cookie is named and which attributes it carries (rule C1, C2).

    A combination that browsers would refuse is an error here, not a cookie that silently never arrives.

    Attributes:
        name: The cookie's name. The prefix "__Host-" makes browsers refuse a cookie that a sibling subdomain
            or plain HTTP tries to plant; "__Host-Http-" one that a script plants, too.
        path: The path below which browsers send the cookie.
        domain: The domain whose subdomains get the cookie too; None for this host only.
        same_site: Whether requests from other sites carry the cookie; "none" needs `secure`.
        secure: Only HTTPS carries the cookie.
        http_only: No script can read the cookie.
        persistent: Every session outlives the browser's window, not just those of "remember me".
    """

    name: str = "__Host-session"
    path: str = "/"
    domain: str | None = None
    same_site: SameSite = "lax"
    secure: bool = True
    http_only: bool = True
    persistent: bool = False

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_path(self.path)
        _check_domain(self.domain)
        if self.same_site not in {"lax", "strict", "none"}:
            refuse("same_site", self.same_site, "use 'lax', 'strict' or 'none'", of="cookie")
        if self.same_site == "none" and not self.secure:
            refuse(
                "same_site",
                self.same_site,
                "browsers take it only with secure=True; set that, or use 'lax'",
                of="cookie",
            )
        _check_prefix(self)


def set_cookie(settings: CookieSettings, value: str, max_age: int | None) -> bytes:
    """Return the value of the Set-Cookie header that hands a session to the browser.

    Args:
        settings: The cookie's name and attributes.
        value: What the cookie carries.
        max_age: Seconds until the browser forgets the cookie, cut to 400 days; a negative number counts as 0.
            None for a cookie that ends with the browser's window.

    Raises:
        CookieError: The value is empty, too long or has an octet that no cookie may have (rule C4,
            C5, L10). The message does not contain the value.
    """
    _check_value(settings.name, value)
    age = [] if max_age is None else [f"Max-Age={min(max(max_age, 0), MAX_AGE)}"]
    return _header(settings, value, age)


def delete_cookie(settings: CookieSettings) -> bytes:
    """Return the value of the Set-Cookie header that makes the browser forget the session (rule C10).

    It repeats all attributes: browsers delete only the cookie of the same name, path and domain, and they
    ignore a header that breaks the rules of the name's prefix. Expires is for clients without Max-Age.
    """
    return _header(settings, "", [f"Expires={_EPOCH}", "Max-Age=0"])


def find_cookies(header: bytes, name: bytes) -> list[bytes]:
    r"""Return all values of the cookie `name` in one Cookie header, byte for byte, in their order.

    The order proves nothing, so the caller decides what duplicates mean (rule C7). Names are compared
    exactly, values are neither unquoted nor unescaped, and no other pair of the header can hide one of ours
    (C8, C9). Only space and tab are trimmed: what Unicode calls white space belongs to the name, or else
    "\x85__Host-session" would pass as ours.

    Args:
        header: The header's value, of any length and content.
        name: A name that `CookieSettings` accepts.
    """
    prefix = name + b"="
    parts = header.split(prefix)
    if len(parts) == 2 and name and (not parts[0] or parts[0].endswith(b"; ")):  # noqa: PLR2004 - before and after
        return [parts[1].partition(b";")[0].rstrip(_OWS)]  # one cookie of ours, written as browsers write it
    # Linear, and no work for other cookies: the search jumps from one candidate pair to the end of it, and
    # looks back no further than to the semicolon before it.
    at = header.find(prefix)
    if at < 0 or not name:  # an empty name would read "=__Host-session=bad" (CVE-2023-23934)
        return []
    found: list[bytes] = []
    while at >= 0:
        end = header.find(b";", at)
        if end < 0:
            end = len(header)
        # The first two comparisons only spare the usual cases the third, which decides.
        if at == 0 or header[at - 2 : at] == b"; " or _starts_pair(header, at):
            found.append(header[at + len(prefix) : end].rstrip(_OWS))
        at = header.find(prefix, end)
    return found


def _starts_pair(header: bytes, at: int) -> bool:
    """Tell whether only spaces and tabs stand between the pair's beginning and `at`."""
    return not header[header.rfind(b";", 0, at) + 1 : at].strip(_OWS)


def _header(settings: CookieSettings, value: str, age: list[str]) -> bytes:
    parts = [f"{settings.name}={value}", *age]
    if settings.domain is not None:
        parts.append(f"Domain={settings.domain}")
    parts.append(f"Path={settings.path}")
    if settings.secure:
        parts.append("Secure")
    if settings.http_only:
        parts.append("HttpOnly")
    parts.append(f"SameSite={settings.same_site.capitalize()}")
    return "; ".join(parts).encode("ascii")


def _check_value(name: str, value: str) -> None:
    if not value:
        raise CookieError(f"the cookie {name} has an empty value; delete_cookie removes a cookie")
    if not _OCTETS.fullmatch(value):
        raise CookieError(f"the value of the cookie {name} has a character that no cookie may have")
    size = len(name) + len(value)
    if size > MAX_PAIR:
        raise CookieError(f"the cookie {name} has {size} octets with its value; browsers drop over {MAX_PAIR}")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        refuse(
            "name", name, "use one or more ASCII letters, digits, '-' and '_', such as '__Host-session'", of="cookie"
        )


def _check_path(path: str) -> None:
    if not path.startswith("/") or not _OCTETS.fullmatch(path):
        refuse("path", path, "start with '/', and percent-encode spaces, quotes and the like", of="cookie")
    if len(path) > MAX_ATTRIBUTE:
        refuse("path", path, f"use at most {MAX_ATTRIBUTE} octets, or browsers ignore it", of="cookie")


def _check_domain(domain: str | None) -> None:
    if domain is None:
        return
    if not _DOMAIN.fullmatch(domain):
        refuse(
            "domain",
            domain,
            "use a bare ASCII host name such as 'example.com', or None for this host only",
            of="cookie",
        )
    if len(domain) > MAX_ATTRIBUTE:
        refuse("domain", domain, f"use at most {MAX_ATTRIBUTE} octets, or browsers ignore it", of="cookie")


def _check_prefix(settings: CookieSettings) -> None:
    # Browsers compare prefixes without case (RFC 6265bis section 5.4), though names are compared with it.
    lowered = settings.name.lower()
    prefix = next((known for known in _PREFIXES if lowered.startswith(known.spelling.lower())), None)
    if prefix is None:
        return
    why = f"browsers refuse a cookie named {prefix.spelling}* otherwise; or use a name without the prefix"
    if not settings.secure:
        refuse("secure", settings.secure, f"use True; {why}", of="cookie")
    if prefix.host_only and settings.path != "/":
        refuse("path", settings.path, f"use '/'; {why}", of="cookie")
    if prefix.host_only and settings.domain is not None:
        refuse("domain", settings.domain, f"use None; {why}", of="cookie")
    if prefix.http_only and not settings.http_only:
        refuse("http_only", settings.http_only, f"use True; {why}", of="cookie")

"""The names of Better Auth's cookies, and how they are taken from a client that signs out."""

from __future__ import annotations

import re
from typing import Final

from coatcheck.core.refusals import refuse

_SECURE: Final = "__Secure-"
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2
_DOMAIN: Final = re.compile(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_ENDING: Final = ("session_token", "session_data", "dont_remember")


def cookie_names(prefix: str, name: str, *, secure: bool | None) -> tuple[str, ...]:
    """Return what a cookie of Better Auth's may be called, the most trusted name first.

    Args:
        prefix: What the names begin with, as its `advanced.cookiePrefix`.
        name: Its name there, as "session_token".
        secure: Whether they have `__Secure-` before that; None for both.

    Raises:
        ConfigurationError: The prefix cannot be in a cookie's name.
    """
    if not _TOKEN.fullmatch(prefix):
        refuse("cookie_prefix", prefix, "use Better Auth's own, such as 'better-auth'")
    both = (f"{_SECURE}{prefix}.{name}", f"{prefix}.{name}")
    return both if secure is None else both[:1] if secure else both[1:]


def deletions(prefix: str, *, secure: bool | None, domain: str | None) -> tuple[bytes, ...]:
    """Return the values of Set-Cookie that delete what Better Auth deletes when somebody signs out.

    They have the attributes that it sets them with; a browser deletes no cookie of another path or domain (RFC 6265
    section 5.3).

    Raises:
        ConfigurationError: The prefix or the domain is none.
    """
    if domain is not None and not _DOMAIN.fullmatch(domain):
        refuse("cookie_domain", domain, "use a domain such as 'example.com', or leave it out")
    where = f"; Domain={domain}" if domain else ""
    return tuple(
        f"{name}=; Max-Age=0; Path=/{where}; HttpOnly; SameSite=Lax{'; Secure' * name.startswith(_SECURE)}".encode()
        for each in _ENDING
        for name in cookie_names(prefix, each, secure=secure)
    )

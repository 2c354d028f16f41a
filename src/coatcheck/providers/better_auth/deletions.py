"""How Better Auth's cookies are taken from a client that signs out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from coatcheck.core.refusals import refuse

if TYPE_CHECKING:
    from collections.abc import Iterable

_DOMAIN: Final = re.compile(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_TOKEN: Final = "session_token"  # noqa: S105 - the end of a cookie's name
_ENDING: Final = (_TOKEN, "session_data", "dont_remember")


def deletions(cookies: Iterable[str], *, domain: str | None) -> tuple[bytes, ...]:
    """Return the values of Set-Cookie that delete what Better Auth deletes when somebody signs out.

    They have the attributes that it sets the cookies with by itself; a browser deletes no cookie of another path or
    domain (RFC 6265 section 5.3).

    Args:
        cookies: The names of the cookies that carry tokens.
        domain: The domain of the cookies, if they have one.

    Raises:
        ConfigurationError: The domain is none.
    """
    if domain is not None and not _DOMAIN.fullmatch(domain):
        refuse("cookie_domain", domain, "use a domain such as 'example.com', or leave it out")
    where = f"; Domain={domain}" if domain else ""
    names = [cookie.removesuffix(_TOKEN) + ending for ending in _ENDING for cookie in cookies]
    return tuple(
        f"{name}=; Max-Age=0; Path=/{where}; HttpOnly; SameSite=Lax{'; Secure' * name.startswith('__Secure-')}".encode()
        for name in names
    )

"""What can be said of a Better Auth server, checked: its cookies, its path, its origin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from coatcheck.core.refusals import redacted_url, refuse
from coatcheck.core.transport import BEARER, NOTED
from coatcheck.providers.base import checked_url
from coatcheck.providers.better_auth.signature import Signatures, is_raw_token, split

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECURE: Final = "__Secure-"
# `token` of RFC 9110 section 5.6.2, as a cookie's name must be.
_PREFIX: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


class Presented(NamedTuple):
    """What a client has presented, in parts.

    Attributes:
        value: The cookie's value, or the bearer token, as it came.
        token: The token without its signature.
        bearer: Whether it came as a bearer token.
        noted: Whether the cookie came that says "don't remember me".
    """

    value: bytes
    token: bytes
    bearer: bool
    noted: bool

    def __repr__(self) -> str:
        return "<Presented>"


class Tokens:
    """Where Better Auth's tokens stand, and what they look like."""

    def __init__(
        self, *, cookie_prefix: str, secure_cookies: bool | None, bearer: bool, secrets: Sequence[str]
    ) -> None:
        """Check the settings.

        Args:
            cookie_prefix: Its `advanced.cookiePrefix`.
            secure_cookies: Whether its cookies' names begin with `__Secure-`; None if either may be so.
            bearer: Whether it has the bearer plugin.
            secrets: The secrets that are accepted; without one no signature is checked here.

        Raises:
            ConfigurationError: One of them cannot be.
        """
        if not _PREFIX.fullmatch(cookie_prefix):
            refuse("cookie_prefix", cookie_prefix, "use Better Auth's advanced.cookiePrefix, such as 'better-auth'")
        if cookie_prefix.startswith(_SECURE):
            refuse("cookie_prefix", cookie_prefix, f"leave out {_SECURE}, and set secure_cookies=True")
        self._starts = tuple(f"{start}{cookie_prefix}." for start in _STARTS[secure_cookies])
        self.cookies = tuple(f"{start}session_token" for start in self._starts)
        self.noted_cookies = tuple(f"{start}dont_remember" for start in self._starts)
        self.bearer = bearer
        self._signatures = Signatures(secrets) if secrets else None

    def parts(self, presented: bytes) -> Presented | None:
        """Return the parts of what a client presents; None for what cannot be a token of Better Auth (rule T7)."""
        bearer = self.bearer and presented.startswith(BEARER)
        noted = not bearer and presented.endswith(NOTED)
        value = presented.removeprefix(BEARER) if bearer else presented.removesuffix(NOTED)
        signed = split(value)
        if signed is None:
            return Presented(value, value, bearer, noted) if bearer and is_raw_token(value) else None
        if self._signatures is not None and not self._signatures.made(signed):
            return None
        return Presented(value, signed.token, bearer, noted)

    def header(self, parts: Presented) -> dict[str, str]:
        """Return the header that carries a token to Better Auth, and no other cookie of the client's.

        Above all not `session_data`: what a cookie remembers must not decide (rule A3, GHSA-xg6x-h9c9-2m83). A token
        goes under every name that Better Auth may look for.
        """
        value = parts.value.decode("ascii")
        if parts.bearer:
            return {"authorization": f"Bearer {value}"}
        return {"cookie": "; ".join(f"{name}={value}" for name in self.cookies)}

    def own(self, set_cookies: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return those values of Set-Cookie that are Better Auth's own: a proxy before it may have set others."""
        starts = tuple(start.encode() for start in self._starts)
        return tuple(line for line in set_cookies if line.startswith(starts))


_STARTS: Final[dict[bool | None, tuple[str, ...]]] = {None: (_SECURE, ""), True: (_SECURE,), False: ("",)}


def checked_path(path: str) -> str:
    """Return Better Auth's base path without a slash at its end.

    Raises:
        ConfigurationError: It is none.
    """
    found = path.rstrip("/")
    if not _PATH.fullmatch(found):
        refuse("base_path", path, "use Better Auth's basePath, such as '/api/auth'")
    return found


def checked_origin(url: str, origin: str | None) -> str:
    """Return the origin that a sign-out names: by default that of the address.

    Raises:
        ConfigurationError: It is none.
    """
    parts = urlsplit(url if origin is None else checked_url("origin", origin))
    if origin is not None and parts.path:
        refuse("origin", redacted_url(origin), "use scheme and host only, such as 'https://example.com'")
    return f"{parts.scheme}://{parts.netloc}"

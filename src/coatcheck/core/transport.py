"""Where in a request a client's token stands: in one of some cookies, or in `Authorization` (rule T8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coatcheck.core.cookies import find_cookies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Headers = Sequence[tuple[bytes, bytes]]

AMBIGUOUS = b"ambiguous"
"""Stands for a token where two different ones are presented; it is none."""

BEARER = b"Bearer "
"""What stands before a bearer token where that is to be told from the same text in a cookie."""

NOTED = b";"
"""Stands behind a token that was presented beside a cookie that is noted; no cookie's value can have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """Where a token stands.

    Attributes:
        cookies: The names of the cookies that may carry it, the most trusted first.
        bearer: Whether `Authorization: Bearer` is read too.
        marks_bearer: Whether a bearer token is something else than the same text in a cookie: it is then presented with
            "Bearer " before it.
        noted: The names of cookies of which it matters whether there is one, and not what it says: the token is then
            presented with `NOTED` behind it.
        dpop: Whether `Authorization: DPoP` is read too; what is in it counts only with a proof (RFC 9449).
    """

    cookies: tuple[bytes, ...]
    bearer: bool = False
    marks_bearer: bool = False
    noted: tuple[bytes, ...] = ()
    dpop: bool = False

    def find(self, headers: Headers, well_formed: Callable[[bytes], bool]) -> bytes:
        """Return the token that a request carries, or nothing.

        Two different well-formed cookies of the same name prove that one was planted; neither counts (rule C7). A
        cookie of a less trusted name counts only where there is none of the others.
        """
        if self.dpop and (proven := dpop_token(headers)) is not None:
            return AMBIGUOUS if bearer_token(headers) is not None else proven
        if self.bearer and (token := bearer_token(headers)) is not None:
            return BEARER + token if token and self.marks_bearer else token
        for name in self.cookies:
            values: list[bytes] = []
            for key, value in headers:
                if key == b"cookie":
                    values += find_cookies(value, name)
            if values:
                token = values[0] if len(values) == 1 else _one_of(values, well_formed)
                return token + NOTED if self.noted and has_one(headers, self.noted) else token
        return b""

    def has_cookie(self, headers: Headers) -> bool:
        """Tell whether a request carries such a cookie, and no bearer token instead."""
        if self.is_bearer(headers):
            return False
        return has_one(headers, self.cookies)

    def is_bearer(self, headers: Headers) -> bool:
        """Tell whether the token stands in `Authorization`, which no browser fills in by itself."""
        return (self.bearer and bearer_token(headers) is not None) or self.is_dpop(headers)

    def is_dpop(self, headers: Headers) -> bool:
        """Tell whether the token is one that needs a proof."""
        return self.dpop and dpop_token(headers) is not None


def bearer_token(headers: Headers) -> bytes | None:
    """Return the bearer token of a request (RFC 6750 section 2.1), if there is one."""
    return _authorized(headers, b"bearer ")


def dpop_token(headers: Headers) -> bytes | None:
    """Return the token of a request that is bound to a key (RFC 9449 section 7.1), if there is one."""
    return _authorized(headers, b"dpop ")


def _authorized(headers: Headers, scheme: bytes) -> bytes | None:
    """Return what the request says in one scheme, if it does.

    Beside another Authorization header it is ambiguous: the header comes once (RFC 9110 section 5.3), and a proxy may
    have judged the other one.
    """
    said = [value for key, value in headers if key == b"authorization"]
    for value in said:
        if value[: len(scheme)].lower() == scheme:
            return bytes(value[len(scheme) :].strip(b" \t")) if len(said) == 1 else AMBIGUOUS
    return None


def has_one(headers: Headers, names: Sequence[bytes]) -> bool:
    """Tell whether a request carries a cookie of one of these names."""
    lines = [value for key, value in headers if key == b"cookie"]
    return any(find_cookies(value, name) for value in lines for name in names)


def _one_of(values: list[bytes], well_formed: Callable[[bytes], bool]) -> bytes:
    usable = {value for value in values if well_formed(value)}
    return usable.pop() if len(usable) == 1 else AMBIGUOUS

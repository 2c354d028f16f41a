"""Tokens that another library has issued, and whose sessions `coatcheck import` has brought here.

The browser keeps the token it has until the next sign-in or rotation. As with our own, the store has a hash only (rule
T5); a token that nobody has imported leads nowhere (rule T6), and what has another form than the library's is
malformed (rule T7).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2s
from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.core.cookies import CookieSettings
from coatcheck.core.refusals import refuse

if TYPE_CHECKING:
    from coatcheck.core.tokens import TokenHash


class Library(NamedTuple):
    """How a library's tokens look, and where they stand.

    Attributes:
        form: What its tokens match.
        cookie: What its cookie is called unless somebody says otherwise.
    """

    form: re.Pattern[bytes]
    cookie: str


LIBRARIES: Final = {
    "starsessions": Library(re.compile(rb"[0-9a-f]{32}"), "session"),
    "flask-session": Library(re.compile(rb"[A-Za-z0-9_-]{22,86}"), "session"),  # SESSION_ID_LENGTH of 16 to 64 bytes
    "litestar": Library(re.compile(rb"[0-9a-f]{32,128}"), "session"),  # session_id_bytes of 16 to 64
    "fastapi-users": Library(re.compile(rb"[A-Za-z0-9_-]{43}"), "fastapiusersauth"),
}
"""The libraries whose sessions can be imported. Each form is at least 128 random bits, but for UUIDs (see there)."""

_UUID: Final = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedTokens:
    """Which tokens are accepted besides our own, for as long as imported sessions live.

    Attributes:
        library: Who has issued them: "starsessions", "flask-session", "litestar" or "fastapi-users".
        cookie: What their cookie is called; None for the library's own default. It is read where there is none of ours.
    """

    library: str = ""
    cookie: str | None = None

    def __post_init__(self) -> None:
        if self.library not in LIBRARIES:
            refuse("library", self.library, f"use one of {', '.join(map(repr, LIBRARIES))}", of="imported")
        if self.cookie is not None:
            CookieSettings(name=self.cookie, secure=True)  # refuses what is no name

    @property
    def cookie_name(self) -> str:
        """What the cookie of these tokens is called."""
        return self.cookie or LIBRARIES[self.library].cookie

    def well_formed(self, token: bytes) -> bool:
        """Tell whether this can be one of them at all."""
        return LIBRARIES[self.library].form.fullmatch(token) is not None


def is_uuid(token: bytes) -> bool:
    """Tell whether a token is a UUID, which has 122 random bits where ASVS 7.2.3 asks for 128."""
    return _UUID.fullmatch(token) is not None


def digest_of(token: bytes) -> bytes:
    """Return the digest that imported sessions are found by; Litestar's files are named by it, and know no more."""
    return blake2s(token).digest()


def imported_hash(token_hash: TokenHash, token: bytes) -> bytes:
    """Return the hash under which a store knows an imported token.

    One that could be ours is hashed as ours, because nobody can tell them apart. Of the others the hash is of a kind
    that no token of ours leads to, or else whoever knows a digest could present it as one.
    """
    if token_hash.well_formed(token):
        return token_hash(token)
    return token_hash.of_digest(digest_of(token))

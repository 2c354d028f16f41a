"""What is found in the store of another library, and why some of it is left there."""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime


class Why(StrEnum):
    """Why a session is left where it is; the text follows "left out: 3 sessions"."""

    ALREADY = "that were imported already"
    EXPIRED = "that have expired"
    EMPTY = "of visitors with nothing in them"
    NO_TOKEN = "whose key is no token of the library"  # noqa: S105 - words
    UUID = "with UUIDs for tokens, 122 random bits instead of 128: --uuids takes them nevertheless (ASVS 7.2.3)"
    PICKLED = "that are pickled, which may not be read (rule S1): their users sign in again"
    UNREADABLE = "that cannot be read"
    NO_USER = "whose user key holds neither text nor a number"
    NO_JSON = "whose data is no JSON, or larger than policy.max_data_bytes"
    FULL = "of users who have policy.max_sessions already"
    REFUSED = "that the store has refused, as of users who are gone"


class LeftOut(Exception):
    """A session is left where it is."""

    def __init__(self, why: Why) -> None:
        """Keep the reason."""
        super().__init__(why)
        self.why = why


class Stored(NamedTuple):
    """A session as the other store has it.

    Attributes:
        key: What it is called there: a secret, as it contains the token.
        value: What the library wrote; for tables with columns of their own, those.
        ends: When the store forgets it; None if it never does. Aware.
        digest: The token's digest, where the store knows no more than that.
    """

    key: str
    value: bytes | Mapping[str, Any]
    ends: datetime | None
    digest: bytes | None = None

    @property
    def mark(self) -> str:
        """What it is marked as when it was taken: a hash, which is no credential."""
        return sha256(b"coatcheck.import:" + self.key.encode()).hexdigest()

    def __repr__(self) -> str:
        return "<Stored …>"


class Content(NamedTuple):
    """What a session means, whichever library has written it.

    Attributes:
        token: The token, if it is known.
        data: The application's data.
        user_id: Who is signed in; None for an anonymous visitor.
        ends: When it ends if it is not used; None if the library does not say so.
        remember: Whether the browser keeps the cookie when it is closed.
    """

    token: bytes | None
    data: Mapping[str, Any]
    user_id: str | None
    ends: datetime | None
    remember: bool

    def __repr__(self) -> str:
        return "<Content …>"


class Source(Protocol):
    """Where the sessions of a library are kept.

    Its methods raise Unavailable if it does not answer, and ConfigurationError if it is not what was said.
    """

    def stored(self, batch: int) -> Iterator[Stored]:
        """Yield what is there, read in batches of this size."""
        ...

    def is_taken(self, stored: Stored) -> bool:
        """Tell whether this session was taken before."""
        ...

    def take(self, stored: Stored) -> bool:
        """Mark a session as taken; False if it is already."""
        ...

    def give_back(self, stored: Stored) -> None:
        """Take the mark away again."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...

"""What the verbs answer. "Not signed in" is kept apart from a session, and from "could not find out", which raises."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from coatcheck.core.session import Session
    from coatcheck.core.tokens import Token

Source = Literal["memory", "shared", "store", "stale"]
"""Which tier had the answer; "store" is the authority, "stale" is the memory while it, or the log, cannot be asked."""


class LoaderFailed(Exception):
    """A loader has raised; whoever called it gets what it raised, and so does everybody who waited.

    Attributes:
        error: What it raised.
    """

    def __init__(self, error: Exception) -> None:
        """Keep the error."""
        super().__init__(type(error).__name__)
        self.error = error


class NotSignedIn(enum.Enum):
    """Why nobody is signed in. Always false, as a session is always true."""

    NO_TOKEN = "no_token"  # noqa: S105 - a reason, not a secret
    """Nothing was presented; no store was asked."""
    MALFORMED = "malformed"
    """What was presented cannot be a token of ours, or its signature is wrong; no store was asked."""
    UNKNOWN = "unknown"
    """No session has this token: never issued, signed out, revoked or rotated away."""
    EXPIRED = "expired"
    """The session's idle timeout or lifetime is over."""
    DEVICE = "device_unproven"
    """The session belongs to a device, and nothing shows that the request comes from it."""

    def __bool__(self) -> Literal[False]:
        return False


class Validated(NamedTuple):
    """The answer to one request.

    Attributes:
        answer: The session, or why nobody is signed in.
        source: Which tier answered in the end; None for what cannot be a token, of which nobody was asked.
        set_cookies: Values of Set-Cookie that a provider has for the client.
        due: Whether the client should get another token: this one is due for periodic rotation, or retired already and
            in its grace.
    """

    answer: Session | NotSignedIn
    source: Source | None
    set_cookies: tuple[bytes, ...] = ()
    due: bool = False

    def __repr__(self) -> str:
        """Show no cookie: it is somebody's token (rule T9)."""
        return f"<Validated {self.answer!r} from {self.source}>"


class Created(NamedTuple):
    """A new session, with the token that the client must get and nobody else.

    Attributes:
        session: The session.
        token: What the client presents from now on; `token.reveal()` is the only way to its text.
        evicted: Sessions that the limit per user has ended.
    """

    session: Session
    token: Token
    evicted: tuple[Session, ...] = ()


class Rotated(NamedTuple):
    """The same session under a new token; the old token is dead, or in periodic rotation dies after its grace."""

    session: Session
    token: Token

"""Every error coatcheck raises on purpose, under one root."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.core.session import Session


class CoatcheckError(Exception):
    """The root of all errors raised by coatcheck."""


class ConfigurationError(CoatcheckError, ValueError):
    """A setting is wrong; the message names the setting, its value and the fix."""


class Unavailable(CoatcheckError):
    """The authority could not answer: nobody knows whether the visitor is signed in.

    Answer 503 with Retry-After and leave the cookie alone (rule S9).
    """

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        """Keep the message and the number of seconds after which to try again."""
        super().__init__(message)
        self.retry_after = retry_after


class SchemaError(CoatcheckError):
    """The database's tables are missing, older or newer than this release can work with."""


class TransactionRequired(CoatcheckError):
    """A caller's connection was handed in outside of a transaction, so the call could not be atomic."""


class DataError(CoatcheckError, ValueError):
    """Session data, or another value to be stored, is not JSON, is too large or has the wrong form."""


class LimitReached(CoatcheckError):
    """The user already has as many sessions as the policy allows, and the policy evicts none.

    Attributes:
        sessions: The user's live sessions, newest first, to choose from when the policy is "ask".
            Empty when the policy is "refuse".
        what: What there are too many of: "sessions", or "API tokens".
    """

    def __init__(self, limit: int, sessions: Sequence[Session] = (), *, what: str = "sessions") -> None:
        """Keep the limit and the sessions that fill it; `what` it counts is said in the message."""
        super().__init__(f"the limit of {limit} {what} for this user is reached")
        self.limit = limit
        self.sessions = tuple(sessions)
        self.what = what


class ImpersonationRefused(CoatcheckError):
    """Somebody may not act as another user in this session, or nobody does; the message says why; answered with 403."""


class FormTokenRejected(CoatcheckError):
    """A form or a request came without the session's form token, or with another's (rule X2); answered with 403."""

    def __init__(self) -> None:
        """Say so, and nothing of what was submitted."""
        super().__init__("the form token is missing, or is not of this session: load the page again")

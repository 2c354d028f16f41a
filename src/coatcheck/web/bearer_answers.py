"""What is answered to a program whose token is missing, not good, or not good for this (RFC 6750 section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.core.api_tokens import checked_scopes
from coatcheck.core.refusals import refuse
from coatcheck.web.pages import Answered, in_text, problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.errors import Unavailable
    from coatcheck.web.pages import Answer

_PLAIN: Final = frozenset(map(chr, range(0x20, 0x7F))) - {'"', "\\"}


class Refused(NamedTuple):
    """A request that may not go on.

    Attributes:
        status: 401, 403, or 400 for two tokens at once; 503 while nobody can tell.
        title: What is wrong, in words.
        error: The code of RFC 6750 section 3.1; empty for a request without any token, and for an outage.
        headers: `WWW-Authenticate` or `Retry-After`, and `Cache-Control`.
    """

    status: int
    title: str
    error: str
    headers: dict[str, str]

    def answer(self) -> Answer:
        """Return the answer in problem details (RFC 9457)."""
        members = {"error": self.error} if self.error else {}
        status, headers, body = problem(self.status, self.title, **members)
        more = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in self.headers.items()]
        return status, list({**dict(headers), **dict(more)}.items()), body

    def answered(self) -> Answered:
        """Return the same as frameworks want it."""
        return in_text(self.answer())


def checked_realm(realm: str) -> str:
    """Return a realm that can stand in a header between quotes.

    Raises:
        ConfigurationError: It cannot.
    """
    if not realm or not _PLAIN.issuperset(realm):
        refuse("realm", realm, "use printable ASCII without quotes and backslashes, such as 'api'")
    return realm


def wanted(scopes: Sequence[str]) -> tuple[str, ...]:
    """Return the scopes that a route names, once they can be some.

    Raises:
        DataError: One cannot be a scope (RFC 6749 section 3.3).
    """
    return tuple(checked_scopes(scopes))


def no_token(realm: str, scopes: Sequence[str]) -> Refused:
    """Return what a request without a token is told: no error, for there was none."""
    return _refused(401, "A bearer token is required", "", realm, scopes)


def two_tokens(realm: str) -> Refused:
    """Return what a request with more than one Authorization header is told."""
    return _refused(400, "More than one Authorization header", "invalid_request", realm, ())


def invalid_token(realm: str) -> Refused:
    """Return what any token that is not good is told: mistyped, unknown, revoked and expired ones are told alike."""
    return _refused(401, "The token is not valid", "invalid_token", realm, ())


def insufficient_scope(realm: str, scopes: Sequence[str]) -> Refused:
    """Return what a good token is told that lacks a scope."""
    return _refused(403, "The token lacks a scope", "insufficient_scope", realm, scopes)


def unavailable(error: Unavailable) -> Refused:
    """Return what is told while nobody can tell (rule S9)."""
    headers = {"Retry-After": str(error.retry_after), "Cache-Control": "no-store"}
    return Refused(503, "Tokens cannot be checked", "", headers)


def _refused(status: int, title: str, error: str, realm: str, scopes: Sequence[str]) -> Refused:
    said = {"realm": realm, "error": error, "scope": " ".join(scopes)}
    challenge = ", ".join(f'{name}="{value}"' for name, value in said.items() if value)
    return Refused(status, title, error, {"WWW-Authenticate": f"Bearer {challenge}", "Cache-Control": "no-store"})

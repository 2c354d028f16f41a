"""Which program sends a request, and whether it may, for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.refusals import refuse
from coatcheck.core.transport import bearer_token
from coatcheck.errors import Unavailable
from coatcheck.web import bearer_answers
from coatcheck.web.bearer_answers import checked_realm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.core.api_tokens import ApiToken
    from coatcheck.core.transport import Headers
    from coatcheck.web.bearer_answers import Refused


class AsyncAccepted(Protocol):
    """A kind of token that programs present: `AsyncApiTokens`, or `AsyncTokenPairs` for access tokens."""

    def claims(self, token: bytes) -> bool:
        """Tell whether a value says that it is one."""
        ...

    async def get(self, token: bytes) -> ApiToken | NotSignedIn:
        """Validate it."""
        ...


class AsyncBearer:
    """Judges the bearer token of a request (RFC 6750 section 2.1); no cookie and no query is looked at (rule T8)."""

    def __init__(self, accepted: Sequence[AsyncAccepted], *, realm: str = "api") -> None:
        """Keep what is accepted.

        Args:
            accepted: The kinds of tokens, each with a prefix of its own.
            realm: What `WWW-Authenticate` calls all this.

        Raises:
            ConfigurationError: Nothing is accepted, or the realm cannot stand in a header.
        """
        if not accepted:
            refuse("accepted", "none", "name what is accepted: ApiGuard(tokens), or ApiGuard(tokens, pairs)")
        self._accepted = tuple(accepted)
        self._realm = checked_realm(realm)

    async def judge(self, headers: Headers, scopes: Sequence[str]) -> ApiToken | Refused:
        """Return the token of a request, or what to answer.

        Args:
            headers: The request's, with names in lower case.
            scopes: What the token must have, all of them.
        """
        presented = bearer_token(headers)
        if presented is None:
            return bearer_answers.no_token(self._realm, scopes)
        if sum(name == b"authorization" for name, _ in headers) > 1:
            return bearer_answers.two_tokens(self._realm)
        try:
            token = await self.get(presented)
        except Unavailable as error:
            return bearer_answers.unavailable(error)
        if isinstance(token, NotSignedIn):
            return self.invalid()
        return token if token.allows(*scopes) else self.insufficient(scopes)

    def claims(self, presented: bytes) -> bool:
        """Tell whether a value says that it is one of what is accepted."""
        return any(accepted.claims(presented) for accepted in self._accepted)

    def invalid(self) -> Refused:
        """Return what is answered to a token that is not good."""
        return bearer_answers.invalid_token(self._realm)

    def insufficient(self, scopes: Sequence[str]) -> Refused:
        """Return what is answered to a token that is good, and lacks one of these scopes."""
        return bearer_answers.insufficient_scope(self._realm, scopes)

    async def get(self, presented: bytes) -> ApiToken | NotSignedIn:
        """Validate a token of any of these kinds.

        Raises:
            Unavailable: The store did not answer.
        """
        for accepted in self._accepted:
            if accepted.claims(presented):
                return await accepted.get(presented)
        return NotSignedIn.MALFORMED

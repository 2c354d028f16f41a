"""Which tokens of programs the gate accepts: API tokens, and access tokens where there are keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck._async.api_tokens import AsyncApiTokens
from coatcheck._async.sessions import AsyncSessions
from coatcheck._async.token_pairs import AsyncTokenPairs
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.refusals import refuse

if TYPE_CHECKING:
    from coatcheck.configuration.serve_options import ServeOptions
    from coatcheck.core.api_tokens import ApiToken
    from coatcheck.web.async_authority import Authority
    from coatcheck.web.async_bearer import AsyncAccepted


class ServedTokens:
    """The tokens of programs, each known by its prefix."""

    def __init__(self, sessions: AsyncSessions, options: ServeOptions) -> None:
        """Wire them to the sessions' store.

        Raises:
            ConfigurationError: The store cannot tell API tokens from sessions, or a prefix cannot be one.
        """
        self._accepted: list[AsyncAccepted] = [AsyncApiTokens(sessions, prefix=options.api_token_prefix)]
        if sessions.secrets(b""):
            self._accepted.append(AsyncTokenPairs(sessions, prefix=options.access_token_prefix))

    def claims(self, token: str | bytes) -> bool:
        """Tell whether a value says that it is one of these."""
        presented = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token
        return any(each.claims(presented) for each in self._accepted)

    async def get(self, token: str | bytes) -> ApiToken | NotSignedIn:
        """Validate a token.

        Raises:
            Unavailable: The store did not answer.
        """
        presented = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token
        for each in self._accepted:
            if each.claims(presented):
                return await each.get(presented)
        return NotSignedIn.MALFORMED


def served_tokens(sessions: Authority, options: ServeOptions) -> ServedTokens | None:
    """Return what is accepted; None if nothing is wanted.

    Raises:
        ConfigurationError: A provider issues the sessions, or the store or a prefix does not allow it.
    """
    if not options.api_tokens:
        return None
    if not isinstance(sessions, AsyncSessions):
        refuse("api_tokens", True, "they stand beside sessions of our own, and a provider issues these", of="serve")  # noqa: FBT003
    return ServedTokens(sessions, options)

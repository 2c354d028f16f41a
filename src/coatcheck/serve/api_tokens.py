"""Which tokens of programs the gate knows: API tokens, and where there are keys access and refresh tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from coatcheck._async.api_tokens import AsyncApiTokens
from coatcheck._async.sessions import AsyncSessions
from coatcheck._async.token_pairs import AsyncTokenPairs
from coatcheck.core.api_tokens import TokenForm
from coatcheck.core.refusals import refuse
from coatcheck.web.async_bearer import AsyncBearer

if TYPE_CHECKING:
    from coatcheck.configuration.serve_options import ServeOptions
    from coatcheck.web.async_authority import Authority


class Programs(NamedTuple):
    """The tokens of programs.

    Attributes:
        bearer: Judges what a request presents.
        api_tokens: Makes, lists and ends API tokens.
        pairs: The grants behind access tokens; None without keys.
        refresh_form: How a refresh token is told by its look.
    """

    bearer: AsyncBearer
    api_tokens: AsyncApiTokens
    pairs: AsyncTokenPairs | None
    refresh_form: TokenForm

    def knows(self, presented: bytes) -> bool:
        """Tell whether a value says that it is a program's token, of whatever kind."""
        return self.bearer.claims(presented) or self.refresh_form.claimed_by(presented)

    async def revoke(self, presented: bytes, *, wait: bool) -> bool:
        """End an API token, or the grant behind an access or a refresh token; returns whether there was one."""
        if self.api_tokens.claims(presented):
            return await self.api_tokens.revoke(presented, wait=wait)
        return self.pairs is not None and await self.pairs.revoke(presented, wait=wait)


def served_tokens(sessions: Authority, options: ServeOptions) -> Programs | None:
    """Return what is accepted; None if nothing is wanted.

    Raises:
        ConfigurationError: A provider issues the sessions, or the store or a prefix does not allow it.
    """
    if not options.api_tokens:
        return None
    if not isinstance(sessions, AsyncSessions):
        refuse("api_tokens", True, "they stand beside sessions of our own, and a provider issues these", of="serve")  # noqa: FBT003
    tokens = AsyncApiTokens(sessions, prefix=options.api_token_prefix)
    pairs = AsyncTokenPairs(sessions, prefix=options.access_token_prefix) if sessions.signing_keys else None
    bearer = AsyncBearer([tokens, *([] if pairs is None else [pairs])], realm="gate")
    return Programs(bearer, tokens, pairs, TokenForm(f"{options.access_token_prefix}r"))

"""Which tokens of programs the gate accepts: API tokens, and access tokens where there are keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck._async.api_tokens import AsyncApiTokens
from coatcheck._async.sessions import AsyncSessions
from coatcheck._async.token_pairs import AsyncTokenPairs
from coatcheck.core.refusals import refuse
from coatcheck.web.async_bearer import AsyncBearer

if TYPE_CHECKING:
    from coatcheck.configuration.serve_options import ServeOptions
    from coatcheck.web.async_authority import Authority
    from coatcheck.web.async_bearer import AsyncAccepted


def served_tokens(sessions: Authority, options: ServeOptions) -> AsyncBearer | None:
    """Return what is accepted; None if nothing is wanted.

    Raises:
        ConfigurationError: A provider issues the sessions, or the store or a prefix does not allow it.
    """
    if not options.api_tokens:
        return None
    if not isinstance(sessions, AsyncSessions):
        refuse("api_tokens", True, "they stand beside sessions of our own, and a provider issues these", of="serve")  # noqa: FBT003
    accepted: list[AsyncAccepted] = [AsyncApiTokens(sessions, prefix=options.api_token_prefix)]
    if sessions.signing_keys:
        accepted.append(AsyncTokenPairs(sessions, prefix=options.access_token_prefix))
    return AsyncBearer(accepted, realm="gate")

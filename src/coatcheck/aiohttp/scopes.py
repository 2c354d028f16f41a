"""Decorators for handlers that programs call with a token."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, ParamSpec

from aiohttp import web

from coatcheck.aiohttp.guards import request_in
from coatcheck.aiohttp.requests import context_of
from coatcheck.core.api_tokens import ApiToken
from coatcheck.core.transport import bearer_token
from coatcheck.web.async_bearer import AsyncBearer
from coatcheck.web.bearer_answers import wanted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from coatcheck.web.async_bearer import AsyncAccepted

P = ParamSpec("P")

API_TOKEN = web.RequestKey("coatcheck.api_token", ApiToken)
"""Where a request's token is: `request[API_TOKEN]`."""


class ApiGuard:
    """Asks programs for their token: `ApiGuard(api_tokens)`, or with access tokens too `ApiGuard(api_tokens, pairs)`.

    It needs no `setup`, and looks at `Authorization: Bearer` only.
    """

    def __init__(self, *accepted: AsyncAccepted, realm: str = "api") -> None:
        """Keep which tokens are accepted, and what `WWW-Authenticate` calls all this.

        Raises:
            ConfigurationError: Nothing is accepted, or the realm cannot stand in a header.
        """
        self._bearer = AsyncBearer(accepted, realm=realm)

    def scopes_required(
        self, *scopes: str, or_session: bool = False
    ) -> Callable[[Callable[P, Awaitable[web.StreamResponse]]], Callable[P, Coroutine[None, None, web.StreamResponse]]]:
        """Let a handler be called only with a token that has all of these scopes; it is `request[API_TOKEN]` there.

        Args:
            *scopes: The scopes.
            or_session: Whether a request without a token may go on with the session of a signed-in user instead.
        """
        needed = wanted(scopes)

        def decorated(
            handler: Callable[P, Awaitable[web.StreamResponse]],
        ) -> Callable[P, Coroutine[None, None, web.StreamResponse]]:
            @wraps(handler)
            async def guarded(*args: P.args, **kwargs: P.kwargs) -> web.StreamResponse:
                request = request_in(args)
                headers = [(name.lower(), value) for name, value in request.raw_headers]
                if or_session and bearer_token(headers) is None:
                    await context_of(request).require()
                else:
                    answer = await self._bearer.judge(headers, needed)
                    if not isinstance(answer, ApiToken):
                        body, status, lines = answer.answered()
                        return web.Response(body=body, status=status, headers=dict(lines))
                    request[API_TOKEN] = answer
                return await handler(*args, **kwargs)

            return guarded

        return decorated

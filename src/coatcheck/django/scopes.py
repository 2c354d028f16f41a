"""Decorators for views that programs call with a token, synchronous or not."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, overload

from asgiref.sync import iscoroutinefunction
from django.http import HttpResponse

from coatcheck.core.api_tokens import ApiToken
from coatcheck.core.transport import bearer_token
from coatcheck.django.answers import answer_to
from coatcheck.django.verbs import arequire_session, require_session
from coatcheck.errors import ConfigurationError
from coatcheck.web.async_bearer import AsyncBearer
from coatcheck.web.bearer import Bearer
from coatcheck.web.bearer_answers import wanted
from coatcheck.web.pages import ANSWERED

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from coatcheck.web.async_bearer import AsyncAccepted
    from coatcheck.web.bearer import Accepted
    from coatcheck.web.bearer_answers import Refused

View = TypeVar("View", bound="Callable[..., Any]")


class ApiGuard:
    """Asks programs for their token: `ApiGuard(api_tokens)`, or with access tokens too `ApiGuard(api_tokens, pairs)`.

    Views in threads need `ApiTokens` and `TokenPairs`; asynchronous ones `AsyncApiTokens` and `AsyncTokenPairs`, on
    sessions that were opened in their event loop. It looks at `Authorization: Bearer` only.
    """

    @overload
    def __init__(self, *accepted: Accepted, realm: str = "api") -> None: ...

    @overload
    def __init__(self, *accepted: AsyncAccepted, realm: str = "api") -> None: ...

    def __init__(self, *accepted: Any, realm: str = "api") -> None:
        """Keep which tokens are accepted, and what `WWW-Authenticate` calls all this.

        Raises:
            ConfigurationError: Nothing is accepted, or the realm cannot stand in a header.
        """
        self._asyncio = bool(accepted) and iscoroutinefunction(accepted[0].get)  # pyright: ignore[reportDeprecated]
        self._bearer: Any = (AsyncBearer if self._asyncio else Bearer)(accepted, realm=realm)

    def scopes_required(self, *scopes: str, or_session: bool = False) -> Callable[[View], View]:
        """Let a view be called only with a token that has all of these scopes; it is `request.api_token` there.

        Args:
            *scopes: The scopes.
            or_session: Whether a request without a token may go on with the session of a signed-in user instead.

        Raises:
            ConfigurationError: The view is asynchronous and the tokens are not, or the other way round.
        """
        needed = wanted(scopes)

        def decorated(view: View) -> View:
            is_async = iscoroutinefunction(view)  # pyright: ignore[reportDeprecated]
            if is_async is not self._asyncio:
                msg = "ApiGuard: give asynchronous views AsyncApiTokens, and others ApiTokens"
                raise ConfigurationError(msg)
            made: Any = (self._async_checked if is_async else self._checked)(view, needed, or_session=or_session)
            return wraps(view)(made)  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

        return decorated

    def _checked(self, view: Any, scopes: tuple[str, ...], *, or_session: bool) -> Any:
        def checked(request: HttpRequest, *arguments: Any, **more: Any) -> Any:
            headers = _headers_of(request)
            if or_session and not headers:
                try:
                    require_session(request)
                except ANSWERED as error:
                    return answer_to(error, request)
                return view(request, *arguments, **more)
            answer = self._bearer.judge(headers, scopes)
            return _refused(answer) or view(_with(request, answer), *arguments, **more)

        return checked

    def _async_checked(self, view: Any, scopes: tuple[str, ...], *, or_session: bool) -> Any:
        async def checked(request: HttpRequest, *arguments: Any, **more: Any) -> Any:
            headers = _headers_of(request)
            if or_session and not headers:
                try:
                    await arequire_session(request)
                except ANSWERED as error:
                    return answer_to(error, request)
                return await view(request, *arguments, **more)
            answer = await self._bearer.judge(headers, scopes)
            return _refused(answer) or await view(_with(request, answer), *arguments, **more)

        return checked


def _headers_of(request: HttpRequest) -> list[tuple[bytes, bytes]]:
    """Return the header with a bearer token, if there is one."""
    headers = [(b"authorization", request.headers.get("authorization", "").encode("latin-1", "replace"))]
    return headers if bearer_token(headers) is not None else []


def _with(request: HttpRequest, token: ApiToken) -> HttpRequest:
    request.api_token = token  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    return request


def _refused(answer: ApiToken | Refused) -> HttpResponse | None:
    if isinstance(answer, ApiToken):
        return None
    body, status, headers = answer.answered()
    return HttpResponse(body, status=status, headers=dict(headers))

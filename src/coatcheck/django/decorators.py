"""Decorators for views, synchronous or not: a session, and one that was authenticated recently."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import iscoroutinefunction

from coatcheck.django.answers import answer_to
from coatcheck.django.verbs import arequire_session, own, recently, require_session
from coatcheck.web.pages import ANSWERED

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from django.http import HttpRequest

    from coatcheck.core.session import Session

    Check = Callable[[HttpRequest, Session], object]

View = TypeVar("View", bound="Callable[..., Any]")


def session_required(view: View) -> View:
    """Let only signed-in users in: others get 401, or the sign-in page in a browser; 503 while the store is away."""
    return _checked(view, _nothing_more, None)


def recent_auth_required(
    *, within: timedelta, grace: timedelta | None = None, login_url: str | None = None
) -> Callable[[View], View]:
    """Let only users in who proved who they are at most `within` ago (ASVS 7.5.1, rule A1); activity does not count.

    Args:
        within: How long ago they may have signed in.
        grace: How much longer a form may take that was shown in time: it holds for all but GET, HEAD and OPTIONS.
        login_url: Where a browser page is sent to prove it again; None for LOGIN_URL.
    """
    return lambda view: _checked(view, lambda request, session: recently(request, session, within, grace), login_url)


def own_session_required(view: View) -> View:
    """Let only the user in, and nobody who acts as them: others get 401 or 403."""
    return _checked(view, lambda _, session: own(session), None)


def _nothing_more(_request: HttpRequest, _session: Session) -> None:
    """Ask for nothing but a session."""


def _checked(view: View, check: Check, login_url: str | None) -> View:
    # asgiref's, which knows views that are marked, as those of classes are
    is_async = iscoroutinefunction(view)  # pyright: ignore[reportDeprecated]
    made: Any = (_async_checked if is_async else _sync_checked)(view, check, login_url)
    return wraps(view)(made)  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


def _sync_checked(view: Any, check: Check, login_url: str | None) -> Any:
    def checked(request: HttpRequest, *arguments: Any, **more: Any) -> Any:
        try:
            check(request, require_session(request))
        except ANSWERED as error:
            return answer_to(error, request, login_url)
        return view(request, *arguments, **more)

    return checked


def _async_checked(view: Any, check: Check, login_url: str | None) -> Any:
    async def checked(request: HttpRequest, *arguments: Any, **more: Any) -> Any:
        try:
            check(request, await arequire_session(request))
        except ANSWERED as error:
            return answer_to(error, request, login_url)
        return await view(request, *arguments, **more)

    return checked

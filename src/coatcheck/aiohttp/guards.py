"""Decorators for handlers: functions, methods, and the methods of `web.View`."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from aiohttp import web

from coatcheck.aiohttp.requests import context_of
from coatcheck.errors import ConfigurationError
from coatcheck.web.verbs import grace_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from datetime import timedelta

P = ParamSpec("P")
R = TypeVar("R")


def login_required(handler: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Let a handler be called only for a user who is signed in; others get 401, or the sign-in page."""

    @wraps(handler)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        await context_of(request_in(args)).require()
        return await handler(*args, **kwargs)

    return guarded


def fresh_required(
    within: timedelta, grace: timedelta | None = None, *, factors: int = 1
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Coroutine[Any, Any, R]]]:
    """Let a handler be called only for a user who proved who they are at most `within` ago (ASVS 7.5.1, rule A1).

    Args:
        within: How long ago.
        grace: For how much longer a form that was begun in time may be sent: all but GET, HEAD and OPTIONS.
        factors: Of how many kinds the proofs must be (rule A2).
    """

    def decorated(handler: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        @wraps(handler)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            request = request_in(args)
            more = grace_for(request.method, grace)
            await context_of(request).require_recent_auth(within, factors=factors, grace=more)
            return await handler(*args, **kwargs)

        return guarded

    return decorated


def own_session_required(handler: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Let a handler be called only in a user's own session, and not for somebody who acts as them; others get 403."""

    @wraps(handler)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        await context_of(request_in(args)).require_own_session()
        return await handler(*args, **kwargs)

    return guarded


def request_in(args: tuple[Any, ...]) -> web.Request:
    """Return the request that a handler, or a method of a view, was called with.

    Raises:
        ConfigurationError: There is none.
    """
    for each in args:
        request = each.request if isinstance(each, web.View) else each
        if isinstance(request, web.Request):
            return request
    msg = "such a decorator is for handlers, and this function was called without a request"
    raise ConfigurationError(msg)

"""The routes of the JSON API."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from coatcheck.api.accounts import account_routes
from coatcheck.api.documentation import (
    BAD_ID,
    BAD_LIMIT,
    ELSEWHERE,
    IMPERSONATED,
    NO_SESSION,
    NOT_YOURS,
    OUTAGE,
    TOO_OLD,
    UNSAFE,
    RegistersProblem,
    documented,
)
from coatcheck.api.models import DeviceSession, DeviceSessions, EndedSessions, Id, Me, SignedInUser
from coatcheck.api.problems import NOT_FOUND, DeviceRoute, ProblemRoute, problem_response
from coatcheck.asgi import context_of
from coatcheck.devices import describe_device
from coatcheck.errors import ConfigurationError
from coatcheck.fastapi import CurrentSession, recent_auth, revoke_others, sign_out

_Limit = Annotated[int, Query(ge=1, le=200, description="How many sessions to list at most.")]


def session_router(
    *, recent_auth_within: timedelta = timedelta(minutes=15), user_attributes: Sequence[str] = ()
) -> APIRouter:
    """Return the routes of the JSON API, to be included under any prefix behind `SessionMiddleware`.

    With the sessions of a provider those of the devices and accounts answer 501: use `identity_router`, which has the
    others.

    Args:
        recent_auth_within: How long ago a user may have signed in who ends sessions (ASVS 7.5.2, rule L14).
        user_attributes: What of `user.attributes` the route `/me` shows, by name.

    Raises:
        ConfigurationError: The duration is not more than zero, or the names are none.
    """
    if recent_auth_within <= timedelta(0):
        msg = f"recent_auth_within={recent_auth_within} is not possible: use more than zero, such as 15 minutes"
        raise ConfigurationError(msg)
    describe_device("the first look loads the parser: now, not in a request")
    router = APIRouter(tags=["sessions"])
    router.include_router(_identity_routes(user_attributes))
    router.include_router(account_routes())
    router.include_router(_device_routes(recent_auth(recent_auth_within)))
    router.include_router(_sign_out_route())
    return router


def identity_router(*, user_attributes: Sequence[str] = ()) -> APIRouter:
    """Return the routes that sessions of a provider have too: who is signed in, all about them, and sign-out.

    Args:
        user_attributes: What of `user.attributes` the route `/me` shows, by name. What a provider tells besides what
            `User` names came without being checked.

    Raises:
        ConfigurationError: The names are none.
    """
    router = APIRouter(tags=["sessions"])
    router.include_router(_identity_routes(user_attributes))
    router.include_router(_sign_out_route())
    return router


def _identity_routes(user_attributes: Sequence[str]) -> APIRouter:
    if isinstance(user_attributes, str):  # which is a sequence of letters
        msg = f"user_attributes={user_attributes!r} is not possible: use a tuple of names, as ({user_attributes!r},)"
        raise ConfigurationError(msg)
    router = APIRouter(route_class=ProblemRoute)
    router.add_api_route(
        "/session",
        _get_session,
        operation_id="get_session",
        summary="Who is signed in",
        response_description="The user, and when their session ends.",
        responses=documented(NO_SESSION, OUTAGE),
    )
    router.add_api_route(
        "/me",
        _me(tuple(user_attributes)),
        operation_id="get_me",
        summary="All about who is signed in",
        response_description="The user with all that is known of them, and when their session ends.",
        responses=documented(NO_SESSION, OUTAGE),
    )
    return router


def _device_routes(recent: Any) -> APIRouter:
    router = APIRouter(route_class=DeviceRoute)
    router.add_api_route(
        "/sessions",
        _list_sessions,
        operation_id="list_sessions",
        summary="The user's sessions",
        response_description="The sessions, newest first.",
        responses=documented(NO_SESSION, BAD_LIMIT, ELSEWHERE, OUTAGE),
    )
    router.add_api_route(
        "/sessions/revoke-others",
        _revoke_others,
        methods=["POST"],
        dependencies=[recent],
        operation_id="revoke_other_sessions",
        summary="End the user's other sessions",
        response_description="The other sessions have ended; this one goes on under a new cookie.",
        responses=documented(NO_SESSION, TOO_OLD, ELSEWHERE, *UNSAFE, IMPERSONATED),
    )
    router.add_api_route(
        "/sessions/revoke-all",
        _revoke_all,
        methods=["POST"],
        dependencies=[recent],
        operation_id="revoke_all_sessions",
        summary="End all of the user's sessions, this one too",
        response_description="All sessions have ended; the cookie is taken back.",
        responses=documented(NO_SESSION, TOO_OLD, ELSEWHERE, *UNSAFE, IMPERSONATED),
    )
    router.add_api_route(
        "/sessions/{id}",
        _end_session,
        methods=["DELETE"],
        dependencies=[recent],
        operation_id="end_session",
        summary="End one of the user's sessions",
        status_code=204,
        response_description="The session has ended. If it was this one, the cookie is taken back.",
        responses=documented(NO_SESSION, TOO_OLD, NOT_YOURS, BAD_ID, ELSEWHERE, *UNSAFE, IMPERSONATED),
    )
    return router


def _sign_out_route() -> APIRouter:
    router = APIRouter(route_class=ProblemRoute)
    router.add_api_route(
        "/sign-out",
        _sign_out,
        methods=["POST"],
        operation_id="sign_out",
        summary="Sign out",
        status_code=204,
        response_description="Nobody is signed in any more, or was.",
        response_class=RegistersProblem,
        responses=documented(*UNSAFE, registers=True),
        openapi_extra={"security": [{}, {"session": []}]},
    )
    return router


async def _get_session(session: CurrentSession) -> SignedInUser:
    """Tell who is signed in; an application asks it when it starts, and treats 401 as nobody."""
    return SignedInUser.of(session)


def _me(attributes: tuple[str, ...]) -> Callable[..., Any]:
    async def get_me(session: CurrentSession) -> Me:
        """Tell all that is known of who is signed in and may be shown."""
        return Me.described(session, attributes)

    return get_me


async def _list_sessions(request: Request, session: CurrentSession, limit: _Limit = 50) -> DeviceSessions:
    """List the user's live sessions with the devices that hold them, newest first."""
    listed = await context_of(request.scope).sessions.list(session.user_id or "", limit=limit)
    return DeviceSessions(sessions=[DeviceSession.of(each, session) for each in listed])


async def _end_session(request: Request, session: CurrentSession, id: Id) -> Response:  # noqa: A002
    """End one of the user's own sessions, everywhere at once; asks for recent authentication."""
    if not await context_of(request.scope).sessions.revoke_by_id(id, user_id=session.user_id):
        return problem_response(404, **NOT_FOUND)
    if id == session.id:
        await sign_out(request)
    return Response(status_code=204)


async def _revoke_others(request: Request) -> EndedSessions:
    """End all of the user's sessions but this one, everywhere at once; asks for recent authentication."""
    return EndedSessions(ended=await revoke_others(request))


async def _revoke_all(request: Request, session: CurrentSession) -> EndedSessions:
    """End all of the user's sessions, everywhere at once; asks for recent authentication."""
    ended = await context_of(request.scope).sessions.revoke_user(session.user_id or "")
    await sign_out(request)
    return EndedSessions(ended=ended)


async def _sign_out(request: Request) -> Response:
    """End this session everywhere and take back the cookie; also fine when nobody is signed in."""
    await sign_out(request)
    return Response(status_code=204)

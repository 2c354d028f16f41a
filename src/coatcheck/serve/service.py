"""The internal API: what back ends in other languages do with sessions. Behind `ServiceKeys`, and never without."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, FastAPI, Path, Query, Request, Response
from starlette.exceptions import HTTPException

from coatcheck._async.provider_sessions import AsyncProviderSessions
from coatcheck.api.documentation import RegistersProblem, documented
from coatcheck.core.answers import Created, NotSignedIn, Rotated
from coatcheck.core.cookies import CookieSettings, delete_cookie, set_cookie
from coatcheck.core.credentials import presented_bytes
from coatcheck.serve import service_errors as errors
from coatcheck.serve.api_tokens import Programs
from coatcheck.serve.introspection import REQUEST, introspected, introspected_program, token_in
from coatcheck.serve.service_models import (
    Introspected,
    IssuedSession,
    NewSession,
    Revocation,
    Revoked,
    Rotation,
    ServiceSession,
    ServiceSessions,
)
from coatcheck.serve.service_routes import service_router
from coatcheck.serve.service_tokens import TokenService
from coatcheck.web.async_authority import Authority, own

PREFIX = "/internal"

_Id = Annotated[str, Path(description="The session's public id.", pattern=r"^[A-Za-z0-9._~-]{1,128}$")]
_User = Annotated[
    str | None,
    Query(
        description="Only those of this user, newest first.",
        min_length=1,
        max_length=255,
        pattern=r"^[^\x00-\x1f\x7f]+$",
    ),
]
_Limit = Annotated[int, Query(ge=1, le=1000, description="How many to list at most.")]
_Wait = Annotated[bool, Query(description="Whether to answer only when no process can accept it any more.")]


def service_app(sessions: Authority, cookie: CookieSettings, programs: Programs | None = None) -> FastAPI:
    """Return the internal API under `PREFIX`, with its own OpenAPI document at /internal/openapi.json."""
    app = FastAPI(
        title="coatcheck internal API",
        version="1",
        description="Sessions and API tokens for back ends in any language; with a service key as bearer token.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(Service(sessions, cookie, programs).router(), prefix=PREFIX)
    app.include_router(TokenService(sessions, programs).router(), prefix=PREFIX)
    return app


class Service:
    """The operations of the internal API."""

    def __init__(self, sessions: Authority, cookie: CookieSettings, programs: Programs | None = None) -> None:
        """Keep the sessions, the cookie that browsers get, and which tokens of programs are known."""
        self._programs = programs
        self._sessions = sessions
        self._cookie = cookie

    def router(self) -> APIRouter:
        """Return the routes."""
        router = service_router()
        router.add_api_route(
            "/sessions",
            self.create,
            methods=["POST"],
            operation_id="create_session",
            summary="Begin a session",
            status_code=201,
            response_description="The session, and the token that its client must get and nobody else.",
            responses=documented(*errors.BODY, errors.FULL),
        )
        router.add_api_route(
            "/sessions",
            self.list_them,
            operation_id="list_sessions",
            summary="Live sessions",
            response_description="A user's sessions, newest first; or everybody's, latest activity first.",
            responses=documented(errors.PARAMETER, *errors.COMMON, errors.ELSEWHERE),
        )
        router.add_api_route(
            "/sessions/{id}",
            self.show,
            operation_id="get_session",
            summary="One session, by its public id",
            response_description="The session.",
            responses=documented(errors.NOT_FOUND, errors.PARAMETER, *errors.COMMON, errors.ELSEWHERE),
        )
        router.add_api_route(
            "/sessions/{id}",
            self.end,
            methods=["DELETE"],
            operation_id="end_session",
            summary="End one session, by its public id",
            status_code=204,
            response_description="It has ended, and no process accepts it any more.",
            response_class=RegistersProblem,
            responses=documented(errors.NOT_FOUND, errors.PARAMETER, *errors.COMMON, registers=True),
        )
        router.add_api_route(
            "/introspect",
            self.introspect,
            methods=["POST"],
            operation_id="introspect",
            summary="Who is signed in by a token (RFC 7662)",
            response_description="Who it is; of any token that is not good only that.",
            response_model_exclude_none=True,
            responses=documented(errors.FORM, errors.NO_FORM, errors.TOO_LARGE, *errors.COMMON),
            openapi_extra=dict(REQUEST),
        )
        router.add_api_route(
            "/rotate",
            self.rotate,
            methods=["POST"],
            operation_id="rotate_token",
            summary="Give a session a new token",
            response_description="The same session under a new token; the old one is dead.",
            responses=documented(errors.UNKNOWN_TOKEN, errors.IMPERSONATED, *errors.BODY),
        )
        router.add_api_route(
            "/revoke",
            self.revoke,
            methods=["POST"],
            operation_id="revoke",
            summary="End what a token stands for, all that a user has, or all there is",
            response_description="How many have ended.",
            responses=documented(*errors.BODY),
        )
        return router

    async def create(self, body: NewSession, response: Response) -> IssuedSession:
        """Begin a session for a user who has just proved who they are; hand the cookie to their browser."""
        created = await own(self._sessions).create(
            body.user_id,
            ip=body.ip,
            user_agent=body.user_agent,
            data=body.data,
            remember=body.remember,
            replaces=body.replaces,
            idle_timeout=_duration(body.idle_timeout),
            lifetime=_duration(body.lifetime),
            key_thumbprint=body.key_thumbprint,
        )
        response.headers["Location"] = f"{PREFIX}/sessions/{created.session.id}"
        return self._issued(created)

    def _issued(self, issued: Created | Rotated) -> IssuedSession:
        session, token = issued.session, issued.token.reveal()
        age = None
        if session.remember and session.expires_at is not None:
            age = int((session.expires_at - self._sessions.now()).total_seconds())
        return IssuedSession(
            token=token,
            set_cookies=[set_cookie(self._cookie, token, age).decode("ascii")],
            session=ServiceSession.of(session),
            evicted=[each.id for each in issued.evicted] if isinstance(issued, Created) else [],
        )

    async def list_them(self, user_id: _User = None, limit: _Limit = 50) -> ServiceSessions:
        """List live sessions, of one user or of all."""
        sessions = own(self._sessions)
        listed = await (sessions.list_active(limit=limit) if user_id is None else sessions.list(user_id, limit=limit))
        return ServiceSessions(sessions=[ServiceSession.of(each) for each in listed])

    async def show(self, id: _Id) -> ServiceSession:  # noqa: A002
        """Show a live session."""
        session = await own(self._sessions).find(id)
        if session is None:
            raise HTTPException(404)
        return ServiceSession.of(session)

    async def end(self, id: _Id, *, wait: _Wait = False) -> Response:  # noqa: A002
        """End a session, whoever's it is. One of a provider is refused from now on, for as long as the log is kept."""
        if isinstance(self._sessions, AsyncProviderSessions):
            await self._sessions.session_ended(id, wait=wait)
        elif not await self._sessions.revoke_any(id, wait=wait):
            raise HTTPException(404)
        return Response(status_code=204)

    async def introspect(self, request: Request) -> Introspected:
        """Tell who is signed in by a token; unknown, ended, expired and malformed ones are all told alike."""
        token = await token_in(request)
        presented = presented_bytes(token)
        if self._programs is not None and self._programs.bearer.claims(presented):
            program = await self._programs.bearer.get(presented)
            return introspected_program(program) if program else Introspected(active=False)
        session = await self._sessions.get(token)
        if not session or session.user_id is None:
            return Introspected(active=False)
        return introspected(session)

    async def rotate(self, body: Rotation) -> IssuedSession:
        """Give a session a new token; the old one is dead at once (rule L1)."""
        rotated = await own(self._sessions).rotate(body.token, reauthenticated=body.reauthenticated)
        if isinstance(rotated, NotSignedIn):
            raise HTTPException(404)
        return self._issued(rotated)

    async def revoke(self, body: Revocation) -> Revoked:
        """End sessions and programs' tokens, in every process."""
        if body.token:
            return await self._sign_out(body.token, wait=body.wait)
        sessions = own(self._sessions)
        if body.user_id:
            return Revoked(ended=await sessions.revoke_user(body.user_id, wait=body.wait), set_cookies=[])
        return Revoked(ended=await sessions.revoke_everyone(wait=body.wait), set_cookies=[])

    async def _sign_out(self, token: str, *, wait: bool) -> Revoked:
        presented = presented_bytes(token)
        if self._programs is not None and self._programs.knows(presented):
            return Revoked(ended=int(await self._programs.revoke(presented, wait=wait)), set_cookies=[])
        if isinstance(self._sessions, AsyncProviderSessions):
            signed_in = bool(await self._sessions.get(token))
            cookies = await self._sessions.sign_out(token, wait=wait)
            return Revoked(ended=int(signed_in), set_cookies=[cookie.decode("latin-1") for cookie in cookies])
        ended = await self._sessions.revoke(token, wait=wait)
        return Revoked(ended=int(ended), set_cookies=[delete_cookie(self._cookie).decode("ascii")])


def _duration(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)

"""What type checkers must understand of the framework modules; never run."""

from collections.abc import Sequence
from datetime import timedelta
from typing import assert_type

from django.http import HttpRequest, HttpResponse
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.responses import HTMLResponse

from coatcheck import (
    AsyncImpersonation,
    AsyncSessions,
    CookieSettings,
    Created,
    DeviceBinding,
    NotSignedIn,
    Session,
)
from coatcheck.asgi import Account, AsyncAccounts, AsyncActing, context_of
from coatcheck.django import (
    SessionSet,
    acurrent_session,
    recent_auth_required,
    session_required,
    session_set,
)
from coatcheck.django import (
    current_session as current_session_of_django,
)
from coatcheck.django import (
    require_session as require_session_of_django,
)
from coatcheck.django.sessions import SessionStore
from coatcheck.fastapi import (
    BoundSession,
    CurrentSession,
    OptionalSession,
    OwnSession,
    SessionMiddleware,
    device_router,
)
from coatcheck.starlette import (
    DevicePage,
    current_session,
    require_device_bound,
    require_own_session,
    require_session,
    sign_in,
)

sessions = AsyncSessions("sqlite:///app.db")


async def layout(request: Request, title: str, main: str) -> HTMLResponse:
    """A layout may return any response."""
    return HTMLResponse(f"{request.url.path} {title} {main}")


api = FastAPI()
api.include_router(device_router(DevicePage(layout=layout, recent_auth_within=timedelta(minutes=5))))
api.add_middleware(SessionMiddleware, sessions=sessions, device_binding=DeviceBinding())

site = Starlette()
site.add_middleware(SessionMiddleware, sessions=sessions, cookie=CookieSettings(name="s"), bearer=True)


@api.get("/money")
async def money(request: Request, session: BoundSession) -> None:
    """A bound session is a session, and says that it is one."""
    assert_type(session, Session)
    assert_type(session.device_bound, bool)
    assert_type(await require_device_bound(request), Session)


@api.post("/password")
async def password(request: Request, session: OwnSession) -> None:
    """Whoever acts as a user is an ordinary session, which says so; and what comes back is exact."""
    assert_type(session, Session)
    assert_type(session.actor_id, str | None)
    assert_type(await require_own_session(request), Session)
    context = context_of(request.scope)
    assert_type(await AsyncActing(context, AsyncImpersonation(sessions)).begin("ada", reason="case 17"), Session)
    assert_type(await AsyncActing(context).end(), Session)
    assert_type(await AsyncAccounts(context).list(), Sequence[Account])
    assert_type(await AsyncAccounts(context).switch("id"), Session)
    assert_type(await AsyncAccounts(context).sign_out_all(), int)
    assert_type(await AsyncImpersonation(sessions).begin(session, "ada", reason="case 17"), Created | NotSignedIn)


@api.get("/")
async def handler(request: Request, session: CurrentSession, optional: OptionalSession) -> None:
    """Dependencies and verbs have exact types."""
    assert_type(session, Session)
    assert_type(optional, Session | None)
    assert_type(await current_session(request), Session | NotSignedIn)
    assert_type(await require_session(request), Session)
    assert_type(await sign_in(request, "ada"), Session)


@session_required
def view(request: HttpRequest, number: int) -> HttpResponse:
    """A decorated view keeps its signature."""
    assert_type(current_session_of_django(request), Session | NotSignedIn)
    assert_type(require_session_of_django(request), Session)
    assert_type(session_set(request.user), SessionSet)
    assert_type([each for each in session_set(request.user)], list[Session])  # noqa: C416 - it is what is looked at
    return HttpResponse(str(number))


@recent_auth_required(within=timedelta(minutes=10), grace=timedelta(minutes=5))
async def async_view(request: HttpRequest) -> HttpResponse:
    """So does one that is a coroutine."""
    assert_type(await acurrent_session(request), Session | NotSignedIn)
    assert_type(await SessionStore("key").aexists("key"), bool)
    return HttpResponse()


def calls(request: HttpRequest) -> None:
    """What the decorators return can be called as before."""
    assert_type(view(request, 1), HttpResponse)

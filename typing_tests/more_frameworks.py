"""What type checkers must understand of Flask, Litestar, aiohttp and WSGI; never run."""

from datetime import timedelta
from typing import Any, assert_type

from aiohttp import web
from flask import Flask
from litestar import Litestar, Request, get

from coatcheck import AsyncSessions, NotSignedIn, Session, Sessions
from coatcheck import aiohttp as for_aiohttp
from coatcheck import litestar as ours
from coatcheck.flask import (
    Coatcheck,
    current_session,
    device_bound_required,
    fresh_required,
    login_required,
    own_session_required,
    revoke_others,
    sign_in,
)
from coatcheck.litestar import CoatcheckPlugin, CurrentSession, OptionalSession
from coatcheck.wsgi import SessionMiddleware

app = Flask("app")
Coatcheck(app, Sessions("sqlite:///app.db"), user_key="_user_id", bearer=True)
wrapped = SessionMiddleware(app.wsgi_app, sessions=Sessions("sqlite:///app.db"))


@app.get("/")
@login_required
def view() -> dict[str, str | None]:
    """Decorators keep a view's type."""
    assert_type(current_session, Session)
    assert_type(sign_in("ada"), Session)
    assert_type(revoke_others(), int)
    return {"user": current_session.user_id}


@own_session_required
@device_bound_required
@fresh_required(within=timedelta(minutes=5))
def number(of: int) -> int:
    """With arguments too."""
    return of


assert_type(number(1), int)


@get("/", guards=[ours.requires_device_bound, ours.requires_own_session])
async def handler(request: Request[Any, Any, Any], session: CurrentSession, optional_session: OptionalSession) -> None:
    """Dependencies and verbs have exact types."""
    assert_type(session, Session)
    assert_type(optional_session, Session | None)
    assert_type(await ours.sign_in(request, "ada"), Session)


site = Litestar([handler], plugins=[CoatcheckPlugin(AsyncSessions("sqlite:///app.db"), bearer=True)])


@for_aiohttp.own_session_required
@for_aiohttp.login_required
async def of_aiohttp(request: web.Request) -> web.Response:
    """Decorators keep a handler's type, and verbs have exact ones."""
    assert_type(await for_aiohttp.require_session(request), Session)
    assert_type(await for_aiohttp.current_session(request), Session | NotSignedIn)
    assert_type(await for_aiohttp.sign_in(request, "ada", remember=True), Session)
    assert_type(await for_aiohttp.revoke_others(request), int)
    assert_type(await for_aiohttp.require_own_session(request), Session)
    (await for_aiohttp.get_session(request))["theme"] = "dark"
    return web.Response()


class View(web.View):
    """Methods too."""

    @for_aiohttp.fresh_required(within=timedelta(minutes=5), grace=timedelta(minutes=1))
    async def get(self) -> web.Response:
        """Return what functions return."""
        return await of_aiohttp(self.request)


api = web.Application()
api.add_routes(
    [web.get("/", of_aiohttp), web.view("/view", View), *for_aiohttp.health_routes(AsyncSessions("sqlite:///a.db"))]
)
for_aiohttp.setup(api, AsyncSessions("sqlite:///app.db"), user_key="user_id", bearer=True)

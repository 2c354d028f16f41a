"""An aiohttp application with a list of devices.

Run it with several workers: `gunicorn --worker-class aiohttp.GunicornWebWorker --workers 2 examples.aiohttp_app:app`.
"""

from __future__ import annotations

import os

from aiohttp import web

from coatcheck import AsyncSessions, Policy
from coatcheck.aiohttp import require_session, setup, sign_in, sign_out

sessions = AsyncSessions(os.environ.get("COATCHECK_STORE", "sqlite:///example.db"), policy=Policy(max_sessions=5))

routes = web.RouteTableDef()


@routes.post("/sign-in/{name}")
async def enter(request: web.Request) -> web.Response:
    """Sign in whoever says a name: put your own check of a password here."""
    await sign_in(request, request.match_info["name"])
    return web.json_response({})


@routes.get("/me")
async def me(request: web.Request) -> web.Response:
    """Say who is signed in."""
    session = await require_session(request)
    return web.json_response({"user": session.user_id})


@routes.get("/devices")
async def devices(request: web.Request) -> web.Response:
    """List the user's sessions by their public ids, newest first."""
    session = await require_session(request)
    listed = await sessions.list(session.user_id or "")
    return web.json_response({"devices": [{"id": each.id, "current": each.id == session.id} for each in listed]})


@routes.delete("/devices/{id}")
async def end(request: web.Request) -> web.Response:
    """End one of the user's own sessions, in every worker at once."""
    session = await require_session(request)
    if not await sessions.revoke_by_id(request.match_info["id"], user_id=session.user_id):
        raise web.HTTPNotFound
    return web.json_response({})


@routes.post("/sign-out-everywhere")
async def leave(request: web.Request) -> web.Response:
    """End all of the user's sessions, this one too."""
    session = await require_session(request)
    ended = await sessions.revoke_user(session.user_id or "")
    await sign_out(request)
    return web.json_response({"ended": ended})


app = web.Application()
app.add_routes(routes)
setup(app, sessions)

"""A Starlette application with a list of devices.

Run it with several workers: `uvicorn examples.starlette_app:app --workers 2`, or
`granian --interface asgi --workers 2 examples.starlette_app:app`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from coatcheck import AsyncSessions, Policy
from coatcheck.starlette import SessionMiddleware, require_session, sign_in, sign_out

if TYPE_CHECKING:
    from starlette.requests import Request

sessions = AsyncSessions(os.environ.get("COATCHECK_STORE", "sqlite:///example.db"), policy=Policy(max_sessions=5))


async def enter(request: Request) -> JSONResponse:
    """Sign in whoever says a name: put your own check of a password here."""
    await sign_in(request, request.path_params["name"])
    return JSONResponse({})


async def me(request: Request) -> JSONResponse:
    """Say who is signed in."""
    session = await require_session(request)
    return JSONResponse({"user": session.user_id})


async def devices(request: Request) -> JSONResponse:
    """List the user's sessions by their public ids, newest first."""
    session = await require_session(request)
    listed = await sessions.list(session.user_id or "")
    return JSONResponse({"devices": [{"id": each.id, "current": each.id == session.id} for each in listed]})


async def end(request: Request) -> JSONResponse:
    """End one of the user's own sessions, in every worker at once."""
    session = await require_session(request)
    if not await sessions.revoke_by_id(request.path_params["id"], user_id=session.user_id):
        raise HTTPException(404)
    return JSONResponse({})


async def leave(request: Request) -> JSONResponse:
    """End all of the user's sessions, this one too."""
    session = await require_session(request)
    ended = await sessions.revoke_user(session.user_id or "")
    await sign_out(request)
    return JSONResponse({"ended": ended})


app = Starlette(
    routes=[
        Route("/sign-in/{name}", enter, methods=["POST"]),
        Route("/me", me),
        Route("/devices", devices),
        Route("/devices/{id}", end, methods=["DELETE"]),
        Route("/sign-out-everywhere", leave, methods=["POST"]),
    ],
    middleware=[Middleware(SessionMiddleware, sessions=sessions)],
)

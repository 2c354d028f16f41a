"""A Litestar application with a list of devices.

Run it with several workers: `uvicorn examples.litestar_app:app --workers 2`.
"""

# Without `from __future__ import annotations`: Litestar reads annotations at run time.

import os
from typing import Any

from litestar import Litestar, Request, delete, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from coatcheck import AsyncSessions, Policy
from coatcheck.litestar import CoatcheckPlugin, CurrentSession, sign_in, sign_out

sessions = AsyncSessions(os.environ.get("COATCHECK_STORE", "sqlite:///example.db"), policy=Policy(max_sessions=5))


@post("/sign-in/{name:str}", status_code=200)
async def enter(request: Request[Any, Any, Any], name: FromPath[str]) -> dict[str, Any]:
    """Sign in whoever says a name: put your own check of a password here."""
    await sign_in(request, name)
    return {}


@get("/me")
async def me(session: CurrentSession) -> dict[str, Any]:
    """Say who is signed in."""
    return {"user": session.user_id}


@get("/devices")
async def devices(session: CurrentSession) -> dict[str, Any]:
    """List the user's sessions by their public ids, newest first."""
    listed = await sessions.list(session.user_id or "")
    return {"devices": [{"id": each.id, "current": each.id == session.id} for each in listed]}


@delete("/devices/{session_id:str}", status_code=200)
async def end(session: CurrentSession, session_id: FromPath[str]) -> dict[str, Any]:
    """End one of the user's own sessions, in every worker at once."""
    if not await sessions.revoke_by_id(session_id, user_id=session.user_id):
        raise NotFoundException
    return {}


@post("/sign-out-everywhere", status_code=200)
async def leave(request: Request[Any, Any, Any], session: CurrentSession) -> dict[str, Any]:
    """End all of the user's sessions, this one too."""
    ended = await sessions.revoke_user(session.user_id or "")
    await sign_out(request)
    return {"ended": ended}


app = Litestar([enter, me, devices, end, leave], plugins=[CoatcheckPlugin(sessions)])

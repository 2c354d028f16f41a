"""The site that is attacked, in Starlette with FastAPI's JSON API below /api: `request.session` and the verbs."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from coatcheck import AsyncSessions, CrossOriginPolicy, Policy
from coatcheck.api import session_router
from coatcheck.asgi import context_of
from coatcheck.errors import DataError
from coatcheck.starlette import (
    RequestSessionMiddleware,
    SessionMiddleware,
    require_session,
    revoke_others,
    rotate,
    sign_in,
    sign_out,
)
from tests.bypasses.sites.waiting import wait

if TYPE_CHECKING:
    from collections.abc import Callable

logging.basicConfig(level=logging.DEBUG)
sessions = AsyncSessions(
    os.environ["STORE"],
    shared_cache=os.environ["CACHE"],
    keys=[os.environ["KEY"]],
    policy=Policy(carry_over=("basket",)),
)
LOOKS: dict[str, Callable[[Any], object]] = {
    "get": lambda session: session.get("secret"),
    "in": lambda session: "secret" in session and session["secret"],
    "len": lambda session: len(session) and dict(session),
    "bool": lambda session: bool(session) and dict(session),
    "iteration": lambda session: [(key, session[key]) for key in session],
}


async def page(request: Request) -> Response:
    """Do what a path asks for."""
    path = request.url.path.strip("/").split("/")
    if request.method == "GET":
        return await _shown(request, request.session, path)
    if request.method == "POST":
        return await _changed(request, request.session, path)
    owner = (await require_session(request)).user_id
    ended = path[0] == "devices" and await sessions.revoke_by_id(path[1], user_id=owner)
    return Response(status_code=200 if ended else 404)


async def _shown(request: Request, session: Any, path: list[str]) -> Response:
    match path:
        case ["plain"]:
            return PlainTextResponse("plain")
        case ["look", way]:
            said = repr(LOOKS[way](session))
            return PlainTextResponse(said, headers={"Cache-Control": "public, max-age=60"})
        case ["me"]:
            return PlainTextResponse((await require_session(request)).user_id)
        case ["all"]:
            return JSONResponse(dict(session))
        case ["devices"]:
            listed = await sessions.list((await require_session(request)).user_id or "")
            return JSONResponse([{"id": each.id, "agent": each.user_agent, "ip": each.ip} for each in listed])
    return Response(status_code=404)


async def _changed(request: Request, session: Any, path: list[str]) -> Response:
    match path:
        case ["set", key, value]:
            session[key] = value
        case ["hold", name, key, value]:
            dict(session)
            await asyncio.to_thread(wait, name)
            session[key] = value
        case ["in", user]:
            await sign_in(request, user)
        case ["step-up"]:
            await rotate(request, reauthenticated=True)
        case ["privileges"]:
            await rotate(request)
        case ["out"]:
            await sign_out(request)
        case ["flush"]:
            session.clear()
        case ["password"]:
            await revoke_others(request)
        case ["hook", *_]:
            context_of(request.scope)
        case _:
            return Response(status_code=404)
    return Response()


app = FastAPI(openapi_url=None)
app.include_router(session_router(), prefix="/api")
app.add_api_route("/{path:path}", page, methods=["GET", "POST", "DELETE"])
app.add_exception_handler(DataError, lambda _, __: Response(status_code=422))
app.add_middleware(RequestSessionMiddleware)
app.add_middleware(
    SessionMiddleware,
    sessions=sessions,
    bearer=True,
    trusted_hops=1,
    cross_origin=CrossOriginPolicy(trusted_origins=["https://trusted.example"], exempt=["POST /hook/"]),
)

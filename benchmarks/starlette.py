"""Starlette, beside starsessions with Redis."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starsessions import SessionMiddleware as StarsessionsMiddleware
from starsessions import load_session
from starsessions.stores.redis import RedisStore

from benchmarks.beside import BARE, FROM_SHARED, FROM_STORE, GET, KEY, LOOP, MAPPING, VERB, Cases, bare, in_loop, opened
from benchmarks.calling import asgi
from benchmarks.measure import insist
from benchmarks.scene import COOKIE
from coatcheck.starlette import RequestSessionMiddleware, SessionMiddleware, current_session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AsyncExitStack

    from starlette.requests import Request
    from starlette.responses import Response

    from benchmarks.beside import Site

PEER = "starsessions, Redis"
NOTE = "starsessions reads the session when the handler asks and writes it with every response."


async def cases(at: Site, stack: AsyncExitStack) -> Cases:
    """Return applications that differ in their middleware and in what their handler asks."""
    known, client = await stack.enter_async_context(opened(at)), await bare(at, stack)

    async def get(_: Request) -> Response:
        insist(await client.get(KEY))
        return PlainTextResponse("hello")

    def ours(case: str) -> Starlette:
        return _app(_verb, Middleware(SessionMiddleware, sessions=known[case]))

    mapping = (Middleware(SessionMiddleware, sessions=known[VERB]), Middleware(RequestSessionMiddleware))
    batches = {
        BARE: asgi(_app(_hello), at.cookies()),
        **{case: asgi(ours(case), at.cookies(case)) for case in (VERB, FROM_STORE, FROM_SHARED)},
        MAPPING: asgi(_app(_mapping, *mapping), at.cookies()),
        PEER: asgi(_app(_loaded, await starsessions(at, stack)), at.cookies()),
        GET: asgi(_app(get), at.cookies()),
        LOOP: in_loop(client, at),
    }
    return Cases("Starlette", PEER, batches, NOTE)


def _app(handler: Callable[[Request], Awaitable[Response]], *middleware: Middleware) -> Starlette:
    return Starlette(routes=[Route("/", handler)], middleware=middleware)


async def starsessions(at: Site, stack: AsyncExitStack) -> Middleware:
    """Put the same users into the other's store, and return its middleware."""
    store = RedisStore(connection=await stack.enter_async_context(Redis.from_url(at.server.url(2))))
    lifetime = int(timedelta(days=7).total_seconds())
    for token, held in zip(at.plain, at.data, strict=True):
        await store.write(token.decode(), json.dumps(held).encode(), lifetime, lifetime)
    return Middleware(StarsessionsMiddleware, store=store, lifetime=lifetime, cookie_name=COOKIE.decode())


async def _hello(_: Request) -> Response:
    return PlainTextResponse("hello")


async def _verb(request: Request) -> Response:
    session = await current_session(request)
    insist(session and session.user_id)
    return PlainTextResponse("hello")


async def _mapping(request: Request) -> Response:
    insist(request.session["user_id"])
    return PlainTextResponse("hello")


async def _loaded(request: Request) -> Response:
    await load_session(request)
    return await _mapping(request)

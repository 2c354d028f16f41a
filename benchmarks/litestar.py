"""Litestar, beside its own sessions on the server with Redis."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from litestar import Litestar, MediaType, Request, get
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.serialization import encode_json
from litestar.stores.redis import RedisStore
from redis.asyncio import Redis

from benchmarks.beside import BARE, FROM_SHARED, FROM_STORE, GET, KEY, LOOP, MAPPING, VERB, Cases, bare, in_loop, opened
from benchmarks.calling import asgi
from benchmarks.measure import insist
from benchmarks.scene import COOKIE
from coatcheck.litestar import CoatcheckPlugin, current_session

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from benchmarks.beside import Site

PEER = "Litestar's server-side sessions, Redis"


async def cases(at: Site, stack: AsyncExitStack) -> Cases:
    """Return applications that differ in their middleware and in what their handler asks."""
    known, client = await stack.enter_async_context(opened(at)), await bare(at, stack)

    @get("/", media_type=MediaType.TEXT)
    async def got(request: Request[Any, Any, Any]) -> str:  # noqa: ARG001 - as the others have it
        insist(await client.get(KEY))
        return "hello"

    def ours(handler: Any, case: str) -> Any:
        return _plain(handler, plugins=[CoatcheckPlugin(known[case])])

    batches = {
        BARE: asgi(_plain(_hello), at.cookies()),
        **{case: asgi(ours(_verb, case), at.cookies(case)) for case in (VERB, FROM_STORE, FROM_SHARED)},
        MAPPING: asgi(ours(_mapping, VERB), at.cookies()),
        PEER: asgi(await _theirs(at, stack), at.cookies()),
        GET: asgi(_plain(got), at.cookies()),
        LOOP: in_loop(client, at),
    }
    note = "Its sessions are read before each handler and written with each response. All handlers take the request."
    return Cases("Litestar", PEER, batches, note)


async def _theirs(at: Site, stack: AsyncExitStack) -> Any:
    store = RedisStore(await stack.enter_async_context(Redis.from_url(at.server.url(2))))
    for token, held in zip(at.plain, at.data, strict=True):
        await store.set(token.decode(), encode_json(held), timedelta(days=7))
    config = ServerSideSessionConfig(key=COOKIE.decode())
    return _plain(_mapping, middleware=[config.middleware], stores={"sessions": store})


def _plain(handler: Any, **settings: Any) -> Any:
    return Litestar([handler], openapi_config=None, logging_config=None, **settings)


@get("/", media_type=MediaType.TEXT)
async def _hello(request: Request[Any, Any, Any]) -> str:  # noqa: ARG001 - as the others have it
    return "hello"


@get("/", media_type=MediaType.TEXT)
async def _verb(request: Request[Any, Any, Any]) -> str:
    session = await current_session(request)
    insist(session and session.user_id)
    return "hello"


@get("/", media_type=MediaType.TEXT)
async def _mapping(request: Request[Any, Any, Any]) -> str:
    insist(request.session["user_id"])
    return "hello"

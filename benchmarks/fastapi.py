"""FastAPI, beside starsessions with Redis."""

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse
from starlette.requests import HTTPConnection
from starsessions import load_session

from benchmarks.beside import (
    BARE,
    FROM_SHARED,
    FROM_STORE,
    GET,
    KEY,
    LOOP,
    MAPPING,
    NOTHING,
    VERB,
    Cases,
    bare,
    in_loop,
    opened,
)
from benchmarks.calling import asgi
from benchmarks.measure import insist
from benchmarks.starlette import NOTE, PEER, starsessions
from coatcheck.fastapi import CurrentSession, SessionMiddleware
from coatcheck.starlette import RequestSessionMiddleware

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AsyncExitStack

    from benchmarks.beside import Site


async def cases(at: "Site", stack: "AsyncExitStack") -> Cases:
    """Return applications that differ in their middleware and in what their handler asks."""
    known, client = await stack.enter_async_context(opened(at)), await bare(at, stack)

    async def get(_: Request) -> PlainTextResponse:
        insist(await client.get(KEY))
        return PlainTextResponse("hello")

    def ours(case: str) -> FastAPI:
        app = _app(_verb)
        app.add_middleware(SessionMiddleware, sessions=known[case])
        return app

    mapping = _app(_mapping)
    mapping.add_middleware(RequestSessionMiddleware)
    mapping.add_middleware(SessionMiddleware, sessions=known[VERB])
    theirs = _app(_loaded)
    theirs.user_middleware.append(await starsessions(at, stack))
    batches = {
        BARE: asgi(_app(_hello), at.cookies()),
        **{case: asgi(ours(case), at.cookies(case)) for case in (VERB, FROM_STORE, FROM_SHARED)},
        NOTHING: asgi(_app(_nothing), at.cookies()),
        MAPPING: asgi(mapping, at.cookies()),
        PEER: asgi(theirs, at.cookies()),
        GET: asgi(_app(get), at.cookies()),
        LOOP: in_loop(client, at),
    }
    own = "The framework's own part is to solve one dependency on the connection."
    return Cases("FastAPI", PEER, batches, f"{NOTE} {own}")


def _app(handler: "Callable[..., Awaitable[PlainTextResponse]]") -> FastAPI:
    app = FastAPI()
    app.add_api_route("/", handler, response_class=PlainTextResponse, response_model=None)
    return app


async def _hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def _solved(connection: HTTPConnection) -> HTTPConnection:
    return connection


async def _nothing(connection: Annotated[HTTPConnection, Depends(_solved)]) -> PlainTextResponse:
    insist(connection is not None)
    return PlainTextResponse("hello")


async def _verb(session: CurrentSession) -> PlainTextResponse:
    insist(session.user_id)
    return PlainTextResponse("hello")


async def _mapping(request: Request) -> PlainTextResponse:
    insist(request.session["user_id"])
    return PlainTextResponse("hello")


async def _loaded(request: Request) -> PlainTextResponse:
    await load_session(request)
    return await _mapping(request)

"""What a middleware adds to a request, driven without a network: the application is called directly."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starsessions import InMemoryStore, load_session
from starsessions import SessionMiddleware as StarsessionsMiddleware
from starsessions.stores.redis import RedisStore

from benchmarks.calling import asgi
from benchmarks.floor import KEY, Floor, FloorMiddleware, data_version
from benchmarks.measure import insist, interleaved
from benchmarks.report import Goal, Report, micros, timed
from benchmarks.scene import COOKIE, USER_AGENT, cookie_header, scene
from benchmarks.servers import valkey
from coatcheck.starlette import SessionMiddleware, current_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starsessions.stores.base import SessionStore

    from benchmarks.floor import Known
    from benchmarks.measure import Batch, Timing
    from benchmarks.scene import Scene
    from coatcheck.asgi.types import App

_REQUESTS = 50
_ROUNDS = 400
_OVER_FLOOR = 2.5
_UNDER_REDIS = 25

BARE, FLOOR, FLOOR_SQLITE = "bare Starlette", "floor's middleware", "floor's middleware + data_version"
OURS, OURS_SQLITE = "coatcheck, lease only", "coatcheck, SQLite"
STAR, STAR_REDIS = "starsessions, memory", "starsessions, Redis (Valkey)"


async def run() -> list[Report]:
    """Measure one request to each of several applications that differ in their middleware alone."""
    async with AsyncExitStack() as stack:
        memory = await stack.enter_async_context(scene(lease_only=True, users=_REQUESTS))
        sqlite = await stack.enter_async_context(scene(users=_REQUESTS))
        redis = await stack.enter_async_context(valkey())
        connection = sqlite.connect()
        stack.callback(connection.close)
        plain, checked = Floor(memory.tokens), Floor(sqlite.tokens, data_version(connection))
        cases = {
            BARE: asgi(Starlette(routes=[Route("/", _hello)]), memory.headers()),
            FLOOR: asgi(_floor(plain.lookup), memory.headers()),
            FLOOR_SQLITE: asgi(_floor(checked.lookup_if_unchanged), sqlite.headers()),
            OURS: asgi(_ours(memory), memory.headers()),
            OURS_SQLITE: asgi(_ours(sqlite), sqlite.headers()),
            STAR: await _starsessions(InMemoryStore(), memory.tokens),
            STAR_REDIS: await _starsessions(RedisStore(connection=redis), memory.tokens),
        }
        return [_report(await interleaved(cases, rounds=_ROUNDS))]


def _report(timings: dict[str, Timing]) -> Report:
    report = timed("Middleware: one request whose handler reads the user's id", timings)
    report.columns = ("application", "µs", "adds µs", "noise")
    added = {name: timing.best - timings[BARE].best for name, timing in timings.items()}
    report.rows = [(name, total, micros(added[name]), noise) for name, total, _, noise in report.rows]
    for ours, floor in ((OURS, FLOOR), (OURS_SQLITE, FLOOR_SQLITE)):
        report.goals.append(Goal(f"{ours}, adds over what {floor} adds", added[ours] / added[floor], _OVER_FLOOR))
    for ours in (OURS, OURS_SQLITE):
        text = f"{STAR_REDIS}, adds over what {ours}, adds"
        report.goals.append(Goal(text, added[STAR_REDIS] / added[ours], _UNDER_REDIS, at_least=True))
    report.notes.append(
        "starsessions reads the session when the handler asks and writes it with every response; its Redis is a Valkey "
        "server on this host. The bare application reads nothing."
    )
    return report


async def _hello(_: Request) -> Response:
    return PlainTextResponse("hello")


def _floor(lookup: Callable[[bytes], Known | None]) -> App:
    async def hello(request: Request) -> Response:
        insist(request.scope[KEY].user_id)
        return PlainTextResponse("hello")

    return Starlette(routes=[Route("/", hello)], middleware=[Middleware(FloorMiddleware, lookup=lookup)])


def _ours(scene: Scene) -> App:
    async def hello(request: Request) -> Response:
        session = await current_session(request)
        insist(session and session.user_id)
        return PlainTextResponse("hello")

    middleware = [Middleware(SessionMiddleware, sessions=scene.sessions)]
    return Starlette(routes=[Route("/", hello)], middleware=middleware)


async def _starsessions(store: SessionStore, tokens: Sequence[bytes]) -> Batch:
    async def hello(request: Request) -> Response:
        await load_session(request)
        insist(request.session["user_id"])
        return PlainTextResponse("hello")

    lifetime = int(timedelta(days=7).total_seconds())
    for number, token in enumerate(tokens):
        data = json.dumps({"user_id": f"user-{number}", "user_agent": USER_AGENT}).encode()
        await store.write(token.decode(), data, lifetime, lifetime)
    middleware = Middleware(StarsessionsMiddleware, store=store, lifetime=lifetime, cookie_name=COOKIE.decode())
    return asgi(
        Starlette(routes=[Route("/", hello)], middleware=[middleware]), [cookie_header(token) for token in tokens]
    )

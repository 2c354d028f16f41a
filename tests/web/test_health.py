"""`/healthz` and `/readyz`: what an orchestrator is told while everything works, and while parts of it do not."""

from __future__ import annotations

import asyncio
from dataclasses import FrozenInstanceError
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from coatcheck import AsyncSessions, CacheSettings
from coatcheck.asgi.health import Liveness, Readiness
from coatcheck.core.health import Health, Proof, health_of
from coatcheck.fastapi import health_router
from coatcheck.starlette import SessionMiddleware, health_routes
from coatcheck.stores.urls import async_store_from_url
from tests.servers.postgresql import PostgreSQL
from tests.web.browser import Browser

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coatcheck.asgi.types import App

pytestmark = pytest.mark.anyio

SECOND = 1_000_000_000
LEASE = 2 * SECOND
PARTS = {"authority", "lease", "listener", "shared_cache", "local_cache", "pool"}


class Known:
    """Sessions whose health is known."""

    def __init__(self, health: Health) -> None:
        self._health = health

    async def health(self) -> Health:
        return self._health


def proof(age: float, *, serve_stale_for: int = 0) -> Proof:
    return Proof(100 * SECOND, 100 * SECOND - round(age * SECOND), LEASE, serve_stale_for)


WORKING = health_of(answers=True, proof=proof(0.5))
HOLDING = health_of(answers=False, proof=proof(1.5))
OVER = health_of(answers=False, proof=proof(10), shared_cache=True)
SERVING_STALE = health_of(answers=False, proof=proof(10, serve_stale_for=60 * SECOND))
NEVER = health_of(answers=False, proof=Proof(100 * SECOND, None, LEASE, 60 * SECOND))


def starlette(health: Health) -> App:
    return Starlette(routes=health_routes(Known(health)))


def fastapi(health: Health) -> App:
    app = FastAPI()
    app.include_router(health_router(Known(health)))
    assert app.openapi()["paths"] == {}
    return app


def plain(health: Health) -> App:
    """Route by hand, as a framework without routes of these kinds would."""
    apps: dict[str, App] = {"/healthz": Liveness(), "/readyz": Readiness(Known(health))}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await apps[scope["path"]](scope, receive, send)

    return app


def mounted(health: Health) -> App:
    return Starlette(routes=[Mount("/internal", routes=[Route("/readyz", Readiness(Known(health)))])])


SITES: dict[str, Callable[[Health], App]] = {"starlette": starlette, "fastapi": fastapi, "plain": plain}


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
@pytest.mark.parametrize("health", [WORKING, OVER, NEVER], ids=["working", "over", "never"])
async def test_a_process_is_alive_whatever_the_store_does(site: Callable[[Health], App], health: Health) -> None:
    """To restart it would throw away what its memory can still serve."""
    answer = await Browser(site(health)).get("/healthz")
    assert (answer.status, answer.json(), answer.header("cache-control")) == (200, {"status": "ok"}, "no-store")


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
@pytest.mark.parametrize(
    ("health", "status"),
    [(WORKING, 200), (HOLDING, 200), (SERVING_STALE, 200), (OVER, 503), (NEVER, 503)],
    ids=["working", "lease holds", "serving stale", "lease over", "never answered"],
)
async def test_a_worker_is_ready_while_it_can_serve(site: Callable[[Health], App], health: Health, status: int) -> None:
    """The authority answers, or what is in memory may still be served; `serve_stale_for` needs a first proof."""
    answer = await Browser(site(health)).get("/readyz")
    assert answer.status == status
    assert answer.json() == health.as_json()
    assert answer.header("content-type") == "application/json"
    assert answer.header("cache-control") == "no-store"


async def test_a_route_may_stand_below_a_prefix() -> None:
    assert (await Browser(mounted(OVER)).get("/internal/readyz")).status == 503


async def test_the_session_middleware_does_not_get_in_the_way(tmp_path: Path) -> None:
    """A probe has no cookie, and gets none."""
    app = Starlette(routes=health_routes(Known(WORKING)))
    app.add_middleware(SessionMiddleware, sessions=AsyncSessions(f"sqlite:///{tmp_path / 'app.db'}"))
    answer = await Browser(app).get("/readyz")
    assert (answer.status, answer.all("set-cookie")) == (200, [])


async def test_only_get_and_head_are_answered() -> None:
    browser = Browser(plain(WORKING))
    head = await browser.request("HEAD", "/readyz")
    get = await browser.get("/readyz")
    assert (head.status, head.body, head.header("content-length")) == (200, b"", str(len(get.body)))
    posted = await browser.post("/readyz")
    assert (posted.status, posted.header("allow"), posted.body) == (405, "GET, HEAD", b"")


async def test_a_websocket_is_closed() -> None:
    async with Browser(plain(WORKING)).websocket("/readyz") as socket:
        assert await socket.close_code() == 1008


# --- how it is put together


def test_down_means_that_the_authority_is() -> None:
    """Whatever else is away makes the worker slower or later, and no more."""
    assert WORKING.status == "ok"
    assert health_of(answers=True, proof=proof(0), listening=False).status == "degraded"
    assert health_of(answers=True, proof=proof(0), shared_cache=False).status == "degraded"
    assert health_of(answers=True, proof=proof(0), listening=True, shared_cache=True).status == "ok"
    assert {health.status for health in (HOLDING, OVER, SERVING_STALE, NEVER)} == {"down"}


def test_what_is_not_in_use_is_no_part() -> None:
    assert [part.name for part in WORKING.parts] == ["authority", "lease"]
    everything = health_of(
        answers=True,
        proof=proof(0),
        listening=True,
        shared_cache=True,
        shared_cache_numbers={"hits": 3},
        local_cache_numbers={"entries": 1, "max_entries": 10},
        pool_numbers={"size": 8, "idle": 7},
    )
    names = ["authority", "lease", "listener", "shared_cache", "local_cache", "pool"]
    assert [part.name for part in everything.parts] == names
    assert everything.as_json()["parts"]["shared_cache"] == {"status": "ok", "detail": "in use", "hits": 3}
    assert everything.part("pool") is everything.parts[-1]
    assert everything.part("listeners") is None


@pytest.mark.parametrize(
    ("health", "age", "left", "status"),
    [
        (WORKING, timedelta(seconds=0.5), timedelta(seconds=1.5), "ok"),
        (HOLDING, timedelta(seconds=1.5), timedelta(seconds=0.5), "ok"),
        (OVER, timedelta(seconds=10), timedelta(0), "down"),
        (SERVING_STALE, timedelta(seconds=10), timedelta(0), "degraded"),
        (NEVER, None, timedelta(0), "down"),
        (health_of(answers=True, proof=proof(10)), timedelta(seconds=10), timedelta(0), "ok"),
    ],
    ids=["working", "holding", "over", "serving stale", "never", "idle"],
)
def test_the_lease_says_how_far_memory_is_trusted(
    health: Health, age: timedelta | None, left: timedelta, status: str
) -> None:
    """An idle worker need not poll, so a lease that is over says nothing while the authority answers."""
    lease = health.part("lease")
    assert lease is not None
    assert (health.proof_age, health.lease_left, lease.status) == (age, left, status)
    assert lease.numbers["left_seconds"] == left.total_seconds()
    assert lease.numbers.get("proof_age_seconds") == (None if age is None else age.total_seconds())


def test_serving_stale_ends_to_the_nanosecond() -> None:
    """The bound that is promised is the one that is told."""
    at = Proof(100 * SECOND, 90 * SECOND, LEASE, 8 * SECOND)
    assert not health_of(answers=False, proof=at).ready
    assert health_of(answers=False, proof=at._replace(now=at.now - 1)).ready


def test_health_cannot_be_changed_by_who_reads_it() -> None:
    """It may be handed to hooks and templates."""
    numbers = {"size": 8}
    health = health_of(answers=True, proof=proof(0), pool_numbers=numbers)
    numbers["size"] = 0
    pool = health.part("pool")
    assert pool is not None
    assert pool.numbers == {"size": 8}
    with pytest.raises(TypeError):
        pool.numbers["size"] = 1  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        health.ready = False  # type: ignore[misc]


# --- the real parts


@pytest.mark.processes
async def test_a_worker_whose_store_stops_is_ready_for_one_lease_and_again_when_it_is_back(valkey_url: str) -> None:
    """With a real server, whose stop nobody reports; no answer says where it is or who signs in there."""
    key = "jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"
    with PostgreSQL() as server:
        store = async_store_from_url(server.url(server.create_database()), timeout=1.0)
        cache = CacheSettings(lease=timedelta(seconds=1))
        options: dict[str, Any] = {"cache": cache, "shared_cache": valkey_url, "keys": [key]}
        async with AsyncSessions(store, **options) as sessions:
            browser = Browser(Starlette(routes=health_routes(sessions)))
            async with asyncio.timeout(60):
                while set((answer := await browser.get("/readyz")).json()["parts"]) != PARTS:
                    assert answer.status == 200  # the listener is not there at once
            server.pause()
            try:
                while (answer := await browser.get("/readyz")).json()["status"] != "down":
                    assert answer.status == 200
                while (answer := await browser.get("/readyz")).status != 503:
                    assert answer.json()["status"] == "down"
                assert answer.json()["parts"]["lease"]["left_seconds"] == 0
                assert (await browser.get("/healthz")).status == 200
                for told in ("127.0.0.1", str(server.port), "postgres", "timeout"):
                    assert told not in answer.body.decode()
            finally:
                server.resume()
            async with asyncio.timeout(60):
                while (answer := await browser.get("/readyz")).status != 200:
                    assert answer.json()["status"] == "down"
            assert answer.json()["parts"]["authority"]["status"] == "ok"


async def test_a_shared_cache_that_is_away_is_no_reason_to_send_requests_elsewhere(tmp_path: Path) -> None:
    """Nothing listens at that port."""
    key = "jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"
    options: dict[str, Any] = {"shared_cache": "valkey://127.0.0.1:9", "keys": [key]}
    async with AsyncSessions(f"sqlite:///{tmp_path / 'app.db'}", **options) as sessions:
        for user in ("ada", "bob", "eve", "dan"):
            await sessions.get((await sessions.create(user)).token)
        answer = await Browser(Starlette(routes=health_routes(sessions))).get("/readyz")
    assert (answer.status, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["parts"]["shared_cache"]["status"] == "degraded"

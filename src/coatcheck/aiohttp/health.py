"""What an orchestrator asks: is the process alive, and may it be sent requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from coatcheck.asgi.health import HasHealth

_NOT_STORED = {"Cache-Control": "no-store"}


def health_routes(sessions: HasHealth) -> list[web.RouteDef]:
    """Return the routes `/healthz` (the process is alive) and `/readyz` (it can serve requests)."""

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"}, headers=_NOT_STORED)

    async def ready(_: web.Request) -> web.Response:
        health = await sessions.health()
        return web.json_response(health.as_json(), status=200 if health.ready else 503, headers=_NOT_STORED)

    return [web.get("/healthz", alive), web.get("/readyz", ready)]

"""The routes of a console, for whatever serves it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import Route

from coatcheck.console.frame import FILES, file

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coatcheck.console.routes import Console


def console_routes(console: Console) -> list[Route]:
    """Return the routes of a console, by default at /console, and of the files that its pages need."""
    path = console.options.path
    files = [Route(f"{path}/{name}", partial(_served, name), methods=["GET"]) for name in FILES]
    return [*files, *(Route(path, serve, methods=[method]) for method, path, serve in console.endpoints())]


async def _served(name: str, request: Request) -> Response:  # noqa: ARG001 - Starlette calls it so
    return file(name)

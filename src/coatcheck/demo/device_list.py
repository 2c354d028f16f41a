"""The list of the user's devices, and signing them out: coatcheck's own page in the demo's frame."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from coatcheck.demo.rendering import page
from coatcheck.device_page import DevicePage


async def _in_our_frame(request: Request, title: str, main: str) -> Response:
    return await page(request, "framed.html", title=title, main=main)


def _route(serve: Callable[[Request], Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """Return a route of FastAPI's own, which the application's dependencies reach: one of them times who answers."""

    async def answer(request: Request) -> Response:
        return await serve(request)

    return answer


router = APIRouter()
for _path, (_method, _serve) in DevicePage(layout=_in_our_frame).endpoints().items():
    router.add_api_route(_path, _route(_serve), methods=[_method])

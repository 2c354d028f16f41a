"""The first page, and the small one that both processes show side by side."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from coatcheck.demo.answered import ask
from coatcheck.demo.rendering import page
from coatcheck.fastapi import OptionalSession

router = APIRouter()


@router.get("/")
async def first_page(request: Request, session: OptionalSession) -> Response:
    """Welcome a stranger; show a user their session; tell a device whose session has ended so."""
    answered = await ask(request)
    if answered.ended:
        return await page(request, "ended.html", status=401, reason=answered.answer)
    return await page(request, "home.html" if session else "welcome.html")


@router.get("/status")
async def status(request: Request) -> Response:
    """Say who is signed in, small enough for a frame."""
    answered = await ask(request)
    return await page(request, "status.html", ended=answered.ended)

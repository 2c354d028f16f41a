"""The list of the user's devices, and signing them out."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from coatcheck.demo.account import Recent
from coatcheck.demo.rendering import demo_of, go, page
from coatcheck.fastapi import CurrentSession, revoke_others, sign_out

router = APIRouter()


@router.get("/devices")
async def devices(request: Request, session: CurrentSession) -> Response:
    """List the user's sessions, this one marked."""
    listed = await demo_of(request).sessions.list(session.user_id or "")
    others = sum(one.id != session.id for one in listed)
    return await page(request, "devices.html", sessions=listed, others=others)


@router.post("/devices/others/end")
async def end_others(request: Request, _: Recent) -> Response:
    """Sign out all devices but this one."""
    await revoke_others(request)
    return go("/devices", said="others")


@router.post("/devices/all/end")
async def end_all(request: Request, session: Recent) -> Response:
    """Sign out all devices, this one too."""
    await demo_of(request).sessions.revoke_user(session.user_id or "")
    await sign_out(request)  # this one has ended with the others, but the browser still has its cookie
    return go("/", said="everywhere")


@router.post("/devices/{session_id}/end")
async def end_one(request: Request, session_id: str, session: Recent) -> Response:
    """Sign out one of the user's devices; anybody else's is not found."""
    if session_id == session.id:
        await sign_out(request)
        return go("/", said="signed-out")
    if not await demo_of(request).sessions.revoke_by_id(session_id, user_id=session.user_id):
        raise HTTPException(404)
    return go("/devices", said="device")

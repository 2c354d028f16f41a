"""A FastAPI application for any number of hosts, on PostgreSQL and Valkey; see README.md beside it."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, HTTPException, Request

from coatcheck import Settings
from coatcheck.api import session_router
from coatcheck.fastapi import CurrentSession, SessionMiddleware, health_router, sign_in

ADMINISTRATORS = {"grace"}

# The environment counts for more than the file: COATCHECK_STORE, COATCHECK_KEYS and so on.
settings = Settings.load(Path(__file__).with_name("coatcheck.toml"))
sessions = settings.async_sessions()

app = FastAPI(title="coatcheck fleet example")
app.add_middleware(SessionMiddleware, sessions=sessions)
app.include_router(health_router(sessions))
app.include_router(session_router(), prefix="/api")


@app.post("/sign-in")
async def enter(request: Request, name: str) -> None:
    """Sign in whoever says a name: put your own check of a password here."""
    await sign_in(request, name)


@app.get("/me")
async def me(session: CurrentSession) -> dict[str, str | None]:
    """Say who is signed in; from memory, after the first time."""
    return {"user": session.user_id}


@app.post("/everyone-out")
async def everyone_out(session: CurrentSession) -> dict[str, int]:
    """End every session there is, this one too; answers when no process accepts any of them."""
    if session.user_id not in ADMINISTRATORS:
        raise HTTPException(403)
    return {"ended": await sessions.revoke_everyone(wait=True)}

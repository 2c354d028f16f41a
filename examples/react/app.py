"""The JSON API and, beside it, the pages that Vite has built: `uvicorn app:app`, and open http://127.0.0.1:8000."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel
from starlette.staticfiles import StaticFiles

from coatcheck import AsyncSessions, Policy
from coatcheck.api import session_router
from coatcheck.fastapi import CurrentSession, SessionMiddleware, rotate, sign_in

PAGES = Path(os.environ.get("COATCHECK_PAGES", Path(__file__).parent / "dist"))
PASSWORD = "coatcheck"  # noqa: S105 - of everybody: check a real one here

sessions = AsyncSessions(os.environ.get("COATCHECK_STORE", "sqlite:///react.db"), policy=Policy(max_sessions=5))

app = FastAPI(title="coatcheck with React")
app.add_middleware(SessionMiddleware, sessions=sessions)
app.include_router(session_router(), prefix="/api")


class Proof(BaseModel):
    """What somebody says to prove who they are."""

    password: str


class Credentials(Proof):
    """The same with who they say they are."""

    name: str


def check(proof: Proof) -> None:
    """Refuse a wrong password."""
    if proof.password != PASSWORD:
        raise HTTPException(400, "The password is wrong.")


@app.post("/api/sign-in", status_code=204)
async def enter(request: Request, credentials: Credentials) -> None:
    """Begin a session."""
    check(credentials)
    await sign_in(request, credentials.name)


@app.post("/api/confirm", status_code=204)
async def confirm(request: Request, _: CurrentSession, proof: Proof) -> None:
    """Note that somebody has proved again who they are: what ends other sessions asks for that."""
    check(proof)
    await rotate(request, reauthenticated=True)


app.mount("/", StaticFiles(directory=PAGES, html=True))

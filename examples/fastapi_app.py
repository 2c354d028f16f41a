"""A FastAPI application with the JSON API and a WebSocket that ends with its session.

Run it with several workers: `uvicorn examples.fastapi_app:app --workers 2`, and open http://localhost:8000/docs.
"""

from __future__ import annotations

import os

from fastapi import FastAPI, Request, WebSocket

from coatcheck import AsyncSessions, Policy
from coatcheck.api import session_router
from coatcheck.fastapi import CurrentSession, SessionMiddleware, sign_in

sessions = AsyncSessions(os.environ.get("COATCHECK_STORE", "sqlite:///example.db"), policy=Policy(max_sessions=5))

app = FastAPI(title="coatcheck example")
app.add_middleware(SessionMiddleware, sessions=sessions)
app.include_router(session_router(), prefix="/api")


@app.post("/sign-in")
async def enter(request: Request, name: str) -> None:
    """Sign in whoever says a name: put your own check of a password here."""
    await sign_in(request, name)


@app.websocket("/echo")
async def echo(socket: WebSocket, session: CurrentSession) -> None:
    """Repeat what is said, until the session ends: then the socket closes with code 4001."""
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(f"{session.user_id} said {text}")

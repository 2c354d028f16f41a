"""An application behind a real server: `python -m tests.web.served DATABASE` prints the port it listens on."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from coatcheck import AsyncSessions
from coatcheck.starlette import require_session
from tests.web.application import application

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.websockets import WebSocket

TICK = 0.1
"""Seconds between two ticks. The bound of one second is counted in them: on a slow machine both are slow."""


async def socket_ticks(websocket: WebSocket) -> None:
    """Tick until the session ends."""
    session = await require_session(websocket)
    await websocket.accept()
    while True:
        await websocket.send_text(session.user_id or "")
        await asyncio.sleep(TICK)


async def event_ticks(request: Request) -> Response:
    """Tick as server-sent events until the session ends."""
    session = await require_session(request)

    async def events() -> AsyncIterator[str]:
        while True:
            yield f"data: {session.user_id}\n\n"
            await asyncio.sleep(TICK)

    return StreamingResponse(events(), media_type="text/event-stream")


async def download(request: Request) -> Response:
    """Send a large file slowly, having said how large it is."""
    await require_session(request)

    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100
            await asyncio.sleep(TICK)

    return StreamingResponse(chunks(), headers={"content-length": "1000000"})


ROUTES: list[BaseRoute] = [
    Route("/events", event_ticks),
    Route("/download", download),
    WebSocketRoute("/ticks", socket_ticks),
]


def main() -> None:
    """Serve until the process is ended."""
    app: Any = application(AsyncSessions(f"sqlite:///{sys.argv[1]}"), routes=ROUTES)
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)  # noqa: T201 - whoever started us reads it
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    main()

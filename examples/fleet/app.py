"""A FastAPI application for any number of hosts, on PostgreSQL and Valkey; see README.md beside it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, HTTPException, Request
from psycopg import AsyncConnection

from coatcheck import Settings, lifetimes
from coatcheck.api import session_router
from coatcheck.fastapi import CurrentSession, SessionMiddleware, health_router, sign_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ADMINISTRATORS = {"grace"}

# The environment counts for more than the file: COATCHECK_STORE, COATCHECK_KEYS and so on.
settings = Settings.load(Path(__file__).with_name("coatcheck.toml"))
sessions = settings.async_sessions()
cache = settings.async_value_cache(sessions)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Make the application's own table, and let the cache finish its work in the end."""
    async with cache, await AsyncConnection.connect(settings.store) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(1)")  # processes that start together would collide
        await connection.execute("CREATE TABLE IF NOT EXISTS notices (text text NOT NULL)")
        await connection.commit()
        yield


app = FastAPI(title="coatcheck fleet example", lifespan=lifespan)
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


@cache.cached(ttl=lifetimes.STATIC_CONFIGURATION)
async def latest_notice() -> str | None:
    """Read the notice: once for all processes, on a connection of its own, for it may run after a request."""
    async with await AsyncConnection.connect(settings.store) as connection:
        row = await (await connection.execute("SELECT text FROM notices")).fetchone()
        return None if row is None else row[0]


@app.get("/notice")
async def notice() -> dict[str, str | None]:
    """Say what is announced; from memory, after the first time."""
    return {"notice": await latest_notice()}


@app.put("/notice")
async def announce(session: CurrentSession, text: str) -> None:
    """Announce something: the row and what every process has cached of it change in one transaction."""
    if session.user_id not in ADMINISTRATORS:
        raise HTTPException(403)
    async with await AsyncConnection.connect(settings.store) as connection:
        await connection.execute("DELETE FROM notices")
        await connection.execute("INSERT INTO notices VALUES (%s)", (text,))
        await cache.invalidate(latest_notice.key(), connection=connection)


@app.post("/everyone-out")
async def everyone_out(session: CurrentSession) -> dict[str, int]:
    """End every session there is, this one too; answers when no process accepts any of them."""
    if session.user_id not in ADMINISTRATORS:
        raise HTTPException(403)
    return {"ended": await sessions.revoke_everyone(wait=True)}

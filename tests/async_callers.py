"""The same as `callers.py` for asyncio."""

from __future__ import annotations

import importlib.util
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from coatcheck import DataError, LimitReached, NotSignedIn, Session
from tests.callers import INSERT, Caller, address
from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from coatcheck import AsyncSessions

    Kind = Callable[[str], AbstractAsyncContextManager[Caller]]

# --- through SQLAlchemy


@asynccontextmanager
async def engine(place: str, driver: str, **options: Any) -> AsyncIterator[AsyncEngine]:
    if importlib.util.find_spec(driver) is None:
        missing(f"{driver} is not installed")
    made = create_async_engine(address(place, driver), **options)
    try:
        yield made
    finally:
        await made.dispose()


def core(driver: str) -> Kind:
    """A SQLAlchemy connection."""

    @asynccontextmanager
    async def connected(place: str) -> AsyncIterator[Caller]:
        async with engine(place, driver) as made, made.connect() as connection:
            await connection.begin()
            yield Caller(
                connection, lambda sql: connection.execute(sqlalchemy.text(sql)), connection.commit, connection.rollback
            )

    return connected


def orm(driver: str) -> Kind:
    """A SQLAlchemy session."""

    @asynccontextmanager
    async def connected(place: str) -> AsyncIterator[Caller]:
        async with engine(place, driver) as made, AsyncSession(made) as session:
            yield Caller(session, lambda sql: session.execute(sqlalchemy.text(sql)), session.commit, session.rollback)

    return connected


# --- what holds on every connection


async def check_reads(sessions: AsyncSessions, connected: AbstractAsyncContextManager[Caller]) -> None:
    """Reads on the connection see what is not committed, others do not, and no cache ever learns of it."""
    ended = await sessions.create("1")
    assert await sessions.get(ended.token)
    async with connected as caller:
        created = await sessions.create("1", connection=caller.connection)
        await sessions.revoke(ended.token, connection=caller.connection)
        for _ in range(3):
            session = await sessions.get(created.token, connection=caller.connection)
            assert isinstance(session, Session)
            assert session.user is not None
            assert session.user.name == "Name 1"
            assert await sessions.get(created.token) is NotSignedIn.UNKNOWN
            assert await sessions.get(ended.token, connection=caller.connection) is NotSignedIn.UNKNOWN
            assert isinstance(await sessions.get(ended.token), Session)
        listed = await sessions.list("1", connection=caller.connection)
        assert [session.id for session in listed] == [created.session.id]
        await caller.rollback()
    assert await sessions.get(created.token) is NotSignedIn.UNKNOWN
    assert isinstance(await sessions.get(ended.token), Session)


async def check_errors(
    sessions: AsyncSessions, connected: AbstractAsyncContextManager[Caller], *, nobody: Sequence[str]
) -> set[str]:
    """Fail in every way after a change, and commit: the change is there, and nothing of what has failed.

    Args:
        sessions: The sessions, under `POLICY`.
        connected: The caller's connection.
        nobody: Ids that no user can have.

    Returns:
        The ids of the sessions that have to be there now, besides the user of `INSERT`.
    """
    kept, only, anonymous = [await sessions.create(user_id) for user_id in ("1", "3", None)]
    async with connected as caller:
        await caller.execute(INSERT)
        await sessions.save(kept.session, {"key": 1}, connection=caller.connection)
        with pytest.raises(LimitReached):
            await sessions.create("3", replaces=anonymous.token, connection=caller.connection)
        for user_id in nobody:
            with pytest.raises(DataError):
                await sessions.create(user_id, replaces=anonymous.token, connection=caller.connection)
        await caller.commit()
    session = await sessions.get(kept.token)
    assert isinstance(session, Session)
    assert session.data == {"key": 1}
    return {each.session.id for each in (kept, only, anonymous)}

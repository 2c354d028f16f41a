"""The same for asyncio: psycopg, and SQLAlchemy's connection and session over psycopg and asyncpg."""

from __future__ import annotations

import asyncio
import importlib.util
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest
import sqlalchemy
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from coatcheck import (
    AsyncSessions,
    ConfigurationError,
    DataError,
    LimitReached,
    NotSignedIn,
    Policy,
    Session,
    TransactionRequired,
    UsersTable,
)
from coatcheck.stores.postgresql import AsyncPostgreSQLStore
from tests.postgresql.hands import content, make_users, plain, run
from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from coatcheck import Created

    Kind = Callable[[str], AbstractAsyncContextManager["Caller"]]

pytestmark = pytest.mark.anyio


class Caller(NamedTuple):
    """A connection of the application, and how it uses it."""

    connection: Any
    execute: Callable[[str], Awaitable[object]]
    commit: Callable[[], Awaitable[object]]
    rollback: Callable[[], Awaitable[object]]


@asynccontextmanager
async def usual(url: str) -> AsyncIterator[Caller]:
    """The driver's default: it begins a transaction before the first statement."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        yield Caller(connection, lambda sql: connection.execute(sql.encode()), connection.commit, connection.rollback)


@asynccontextmanager
async def explicit(url: str) -> AsyncIterator[Caller]:
    """Autocommit mode, and a transaction begun by hand; rows come as dictionaries."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True, row_factory=dict_row) as connection:
        await connection.execute("BEGIN")
        yield Caller(connection, lambda sql: connection.execute(sql.encode()), connection.commit, connection.rollback)


@asynccontextmanager
async def engine(url: str, driver: str, **options: Any) -> AsyncIterator[AsyncEngine]:
    if importlib.util.find_spec(driver) is None:
        missing(f"{driver} is not installed")
    made = create_async_engine(url.replace("postgresql:", f"postgresql+{driver}:"), **options)
    try:
        yield made
    finally:
        await made.dispose()


def core(driver: str) -> Kind:
    """A SQLAlchemy connection."""

    @asynccontextmanager
    async def connected(url: str) -> AsyncIterator[Caller]:
        async with engine(url, driver) as made, made.connect() as connection:
            await connection.begin()
            yield Caller(
                connection, lambda sql: connection.execute(sqlalchemy.text(sql)), connection.commit, connection.rollback
            )

    return connected


def orm(driver: str) -> Kind:
    """A SQLAlchemy session."""

    @asynccontextmanager
    async def connected(url: str) -> AsyncIterator[Caller]:
        async with engine(url, driver) as made, AsyncSession(made) as session:
            yield Caller(session, lambda sql: session.execute(sqlalchemy.text(sql)), session.commit, session.rollback)

    return connected


KINDS: dict[str, Kind] = {
    "psycopg": usual,
    "psycopg, begun by hand": explicit,
    "connection over psycopg": core("psycopg"),
    "session over psycopg": orm("psycopg"),
    "connection over asyncpg": core("asyncpg"),
    "session over asyncpg": orm("asyncpg"),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)

VERBS: dict[str, Callable[[AsyncSessions, Created, Any], Awaitable[object]]] = {
    "create": lambda sessions, _, connection: sessions.create("2", connection=connection),
    "create, replacing": lambda sessions, created, connection: sessions.create(
        "2", replaces=created.token, connection=connection
    ),
    "save": lambda sessions, created, connection: sessions.save(created.session, {"key": 1}, connection=connection),
    "rotate": lambda sessions, created, connection: sessions.rotate(created.token, connection=connection),
    "reauthenticate": lambda sessions, created, connection: sessions.rotate(
        created.token, reauthenticated=True, connection=connection
    ),
    "revoke": lambda sessions, created, connection: sessions.revoke(created.token, connection=connection),
    "revoke by id": lambda sessions, created, connection: sessions.revoke_by_id(
        created.session.id, user_id="1", connection=connection
    ),
    "revoke others": lambda sessions, created, connection: sessions.revoke_others(
        created.session, connection=connection
    ),
    "revoke user": lambda sessions, _, connection: sessions.revoke_user("1", connection=connection),
    "revoke everyone": lambda sessions, _, connection: sessions.revoke_everyone(connection=connection),
    "invalidate user": lambda sessions, created, connection: sessions.invalidate_user(
        created.session.user_id or "", connection=connection
    ),
}
INSERT = "INSERT INTO users (id, name) VALUES (9, 'Inserted')"
UNDO = "DELETE FROM users WHERE id = 9"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[AsyncSessions]:
    make_users(url)
    async with AsyncSessions(AsyncPostgreSQLStore(url, users=UsersTable(foreign_key=True))) as sessions:
        yield sessions


@every_kind
async def test_every_write_vanishes_or_commits_with_the_caller_s_transaction(postgresql_url: str, kind: Kind) -> None:
    async with opened(postgresql_url) as sessions:
        for name, verb in VERBS.items():
            created, _ = await sessions.create("1"), await sessions.create("1")
            before = content(postgresql_url)
            async with kind(postgresql_url) as caller:
                await caller.execute(INSERT)
                assert await verb(sessions, created, caller.connection) is not False
                assert content(postgresql_url) == before, f"{name}: committed before the caller commits"
                await caller.rollback()
            assert content(postgresql_url) == before, f"{name}: not undone"
            async with kind(postgresql_url) as caller:
                assert await verb(sessions, created, caller.connection) is not False
                await caller.execute(INSERT)
                await caller.commit()
            after = content(postgresql_url)
            assert "9" in after["users"]
            assert {**after, "users": before["users"]} != before, f"{name}: not committed"
            run(postgresql_url, UNDO)
            await sessions.revoke_user("1")


@every_kind
async def test_a_read_on_the_caller_s_connection_is_never_remembered(postgresql_url: str, kind: Kind) -> None:
    async with opened(postgresql_url) as sessions:
        ended = await sessions.create("1")
        async with kind(postgresql_url) as caller:
            created = await sessions.create("1", connection=caller.connection)
            await sessions.revoke(ended.token, connection=caller.connection)
            for _ in range(3):
                session = await sessions.get(created.token, connection=caller.connection)
                assert isinstance(session, Session)
                assert session.user is not None
                assert await sessions.get(created.token) is NotSignedIn.UNKNOWN
                assert await sessions.get(ended.token, connection=caller.connection) is NotSignedIn.UNKNOWN
                assert isinstance(await sessions.get(ended.token), Session)
            await caller.rollback()
        assert await sessions.get(created.token) is NotSignedIn.UNKNOWN


@every_kind
async def test_an_error_undoes_only_its_own_part(postgresql_url: str, kind: Kind) -> None:
    async with opened(postgresql_url) as sessions:
        kept, anonymous = await sessions.create("1"), await sessions.create(None)
        full = AsyncSessions(sessions.store, policy=Policy(max_sessions=1, when_full="refuse"))
        async with kind(postgresql_url) as caller:
            await caller.execute(INSERT)
            await sessions.save(kept.session, {"key": 1}, connection=caller.connection)
            with pytest.raises(LimitReached):
                await full.create("1", replaces=anonymous.token, connection=caller.connection)
            for user in ("77", "no number"):
                with pytest.raises(DataError):
                    await sessions.create(user, replaces=anonymous.token, connection=caller.connection)
            await caller.commit()
        assert set(content(postgresql_url)["sessions"]) == {kept.session.id, anonymous.session.id}
        assert "9" in content(postgresql_url)["users"]
        session = await sessions.get(kept.token)
        assert isinstance(session, Session)
        assert session.data == {"key": 1}


@pytest.mark.parametrize("kind", [usual, explicit], ids=["psycopg", "psycopg, begun by hand"])
async def test_a_cancelled_call_undoes_its_own_part(postgresql_url: str, kind: Kind) -> None:
    """Wherever it is cancelled: all of it was done, or nothing, or the caller's transaction refuses to go on."""
    async with opened(postgresql_url) as sessions:
        for steps in range(12):
            anonymous = await sessions.create(None)
            async with kind(postgresql_url) as caller:
                await caller.execute("UPDATE users SET role = 'x'")
                task = asyncio.create_task(sessions.create("1", replaces=anonymous.token, connection=caller.connection))
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                try:
                    await caller.execute(f"UPDATE users SET role = '{steps}'")  # noqa: S608
                    await caller.commit()
                except psycopg.errors.InFailedSqlTransaction:  # the savepoint itself was cancelled
                    await caller.rollback()
                    assert task.cancelled()
            assert ("x",) not in run(postgresql_url, "SELECT role FROM users")
            (row,) = content(postgresql_url)["sessions"]
            assert (row == anonymous.session.id) is bool(await sessions.get(anonymous.token))
            if not task.cancelled():
                assert row == task.result().session.id
            run(postgresql_url, "DELETE FROM coatcheck_sessions")


@asynccontextmanager
async def driver_autocommit(url: str) -> AsyncIterator[Any]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection


@asynccontextmanager
async def sqlalchemy_autocommit(url: str) -> AsyncIterator[Any]:
    async with engine(url, "psycopg", isolation_level="AUTOCOMMIT") as made, made.begin() as connection:
        yield connection


@asynccontextmanager
async def asyncpg_autocommit(url: str) -> AsyncIterator[Any]:
    async with engine(url, "asyncpg", isolation_level="AUTOCOMMIT") as made, AsyncSession(made) as session:
        yield session


@asynccontextmanager
async def sqlalchemy_not_begun(url: str) -> AsyncIterator[Any]:
    async with engine(url, "asyncpg") as made, made.connect() as connection:
        yield connection


@pytest.mark.parametrize("kind", [driver_autocommit, sqlalchemy_autocommit, asyncpg_autocommit, sqlalchemy_not_begun])
async def test_a_connection_without_a_transaction_is_refused(
    postgresql_url: str, kind: Callable[[str], AbstractAsyncContextManager[Any]]
) -> None:
    async with opened(postgresql_url) as sessions:
        created = await sessions.create("1")
        before = content(postgresql_url)
        for verb in VERBS.values():
            async with kind(postgresql_url) as connection:
                with pytest.raises(TransactionRequired, match="begin a transaction"):
                    await verb(sessions, created, connection)
        assert content(postgresql_url) == before


async def test_a_connection_for_threads_is_refused(postgresql_url: str) -> None:
    async with opened(postgresql_url) as sessions:
        with (
            plain(postgresql_url, autocommit=False) as connection,
            pytest.raises(ConfigurationError, match="AsyncConnection"),
        ):
            await sessions.create("1", connection=connection)

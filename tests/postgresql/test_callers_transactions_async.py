"""The same for asyncio: psycopg, and SQLAlchemy's connection and session over psycopg and asyncpg."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncSession

from coatcheck import (
    AsyncSessions,
    ConfigurationError,
    TransactionRequired,
    UsersTable,
)
from coatcheck.stores.postgresql import AsyncPostgreSQLStore
from tests.async_callers import check_errors, check_reads, core, engine, orm
from tests.callers import INSERT, POLICY, VERBS, Caller
from tests.postgresql.hands import content, make_users, plain, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from tests.async_callers import Kind

pytestmark = pytest.mark.anyio


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


KINDS: dict[str, Kind] = {
    "psycopg": usual,
    "psycopg, begun by hand": explicit,
    "connection over psycopg": core("psycopg"),
    "session over psycopg": orm("psycopg"),
    "connection over asyncpg": core("asyncpg"),
    "session over asyncpg": orm("asyncpg"),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)

UNDO = "DELETE FROM users WHERE id = 9"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[AsyncSessions]:
    make_users(url)
    store = AsyncPostgreSQLStore(url, users=UsersTable(foreign_key=True))
    async with AsyncSessions(store, policy=POLICY) as sessions:
        yield sessions


@every_kind
async def test_every_write_vanishes_or_commits_with_the_caller_s_transaction(
    empty_postgresql_url: str, kind: Kind
) -> None:
    async with opened(empty_postgresql_url) as sessions:
        for name, verb in VERBS.items():
            created, _ = await sessions.create("1"), await sessions.create("1")
            before = content(empty_postgresql_url)
            async with kind(empty_postgresql_url) as caller:
                await caller.execute(INSERT)
                assert await verb(sessions, created, caller.connection) is not False
                assert content(empty_postgresql_url) == before, f"{name}: committed before the caller commits"
                await caller.rollback()
            assert content(empty_postgresql_url) == before, f"{name}: not undone"
            async with kind(empty_postgresql_url) as caller:
                assert await verb(sessions, created, caller.connection) is not False
                await caller.execute(INSERT)
                await caller.commit()
            after = content(empty_postgresql_url)
            assert "9" in after["users"]
            assert {**after, "users": before["users"]} != before, f"{name}: not committed"
            run(empty_postgresql_url, UNDO)
            await sessions.revoke_user("1")


@every_kind
async def test_a_read_on_the_caller_s_connection_sees_what_is_not_committed_and_is_never_remembered(
    empty_postgresql_url: str, kind: Kind
) -> None:
    async with opened(empty_postgresql_url) as sessions:
        await check_reads(sessions, kind(empty_postgresql_url))


@every_kind
async def test_an_error_undoes_only_its_own_part(empty_postgresql_url: str, kind: Kind) -> None:
    async with opened(empty_postgresql_url) as sessions:
        left = await check_errors(sessions, kind(empty_postgresql_url), nobody=("77", "no number"))
        assert set(content(empty_postgresql_url)["sessions"]) == left
        assert len(content(empty_postgresql_url)["users"]) == 4


@pytest.mark.parametrize("kind", [usual, explicit], ids=["psycopg", "psycopg, begun by hand"])
async def test_a_cancelled_call_undoes_its_own_part(empty_postgresql_url: str, kind: Kind) -> None:
    """Wherever it is cancelled: all of it was done, or nothing, or the caller's transaction refuses to go on."""
    async with opened(empty_postgresql_url) as sessions:
        for steps in range(12):
            anonymous = await sessions.create(None)
            async with kind(empty_postgresql_url) as caller:
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
            assert ("x",) not in run(empty_postgresql_url, "SELECT role FROM users")
            (row,) = content(empty_postgresql_url)["sessions"]
            assert (row == anonymous.session.id) is bool(await sessions.get(anonymous.token))
            if not task.cancelled():
                assert row == task.result().session.id
            run(empty_postgresql_url, "DELETE FROM coatcheck_sessions")


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
    empty_postgresql_url: str, kind: Callable[[str], AbstractAsyncContextManager[Any]]
) -> None:
    async with opened(empty_postgresql_url) as sessions:
        created = await sessions.create("1")
        before = content(empty_postgresql_url)
        for verb in VERBS.values():
            async with kind(empty_postgresql_url) as connection:
                with pytest.raises(TransactionRequired, match="begin a transaction"):
                    await verb(sessions, created, connection)
        assert content(empty_postgresql_url) == before


async def test_a_connection_for_threads_is_refused(empty_postgresql_url: str) -> None:
    async with opened(empty_postgresql_url) as sessions:
        with (
            plain(empty_postgresql_url, autocommit=False) as connection,
            pytest.raises(ConfigurationError, match="AsyncConnection"),
        ):
            await sessions.create("1", connection=connection)

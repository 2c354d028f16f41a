"""The same for asyncio: aiosqlite, and SQLAlchemy's connection and session over it."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import aiosqlite
import pytest

from coatcheck import (
    AsyncSessions,
    Session,
    TransactionRequired,
    Unavailable,
    UsersTable,
)
from coatcheck.stores.sqlite import AsyncSQLiteStore
from tests.async_callers import check_errors, check_reads, core, engine, orm
from tests.callers import INSERT, POLICY, VERBS, Caller
from tests.sqlite.helpers import dump, make_users, plain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from tests.async_callers import Kind
    from tests.callers import Verb

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def driver(path: str) -> AsyncIterator[Caller]:
    """The driver's default; rows come as dictionaries."""
    async with aiosqlite.connect(path) as connection:
        connection.row_factory = lambda cursor, row: dict(  # type: ignore[assignment]
            zip((column[0] for column in cursor.description), row, strict=True)
        )
        yield Caller(connection, connection.execute, connection.commit, connection.rollback)


@asynccontextmanager
async def explicit(path: str) -> AsyncIterator[Caller]:
    """Autocommit mode, and a transaction begun by hand."""
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        await connection.execute("BEGIN")
        yield Caller(connection, connection.execute, connection.commit, connection.rollback)


@asynccontextmanager
async def plain_driver(path: str) -> AsyncIterator[Caller]:
    """The standard library's connection, in a coroutine."""
    with closing(sqlite3.connect(path)) as connection:

        async def execute(sql: str) -> object:
            return connection.execute(sql)

        async def commit() -> None:
            connection.commit()

        async def rollback() -> None:
            connection.rollback()

        yield Caller(connection, execute, commit, rollback)


KINDS: dict[str, Kind] = {
    "aiosqlite": driver,
    "aiosqlite, begun by hand": explicit,
    "connection": core("aiosqlite"),
    "session": orm("aiosqlite"),
    "the standard library's": plain_driver,
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[AsyncSessions]:
    make_users(path)
    store = AsyncSQLiteStore(path, users=UsersTable(foreign_key=True), busy_timeout=0.2)
    async with AsyncSessions(store, policy=POLICY) as sessions:
        yield sessions


@every_kind
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
async def test_a_write_vanishes_or_commits_with_the_caller_s_transaction(
    path: str,
    kind: Kind,
    verb: Verb,
) -> None:
    async with opened(path) as sessions:
        created, _ = await sessions.create("1"), await sessions.create("1")
        before = dump(path)
        async with kind(path) as caller:
            await caller.execute(INSERT)
            assert await verb(sessions, created, caller.connection) is not False
            assert dump(path) == before, "nothing may be committed before the caller commits"
            assert isinstance(await sessions.get(created.token), Session)
            await caller.rollback()
            assert dump(path) == before
            assert isinstance(await sessions.get(created.token), Session)
        async with kind(path) as caller:
            assert await verb(sessions, created, caller.connection) is not False
            await caller.execute(INSERT)
            assert dump(path) == before
            await caller.commit()
        after = dump(path)
        changed = {table for table in before if before[table] != after[table]}
        assert "users" in changed
        assert changed & {"coatcheck_log", "coatcheck_sessions"}


@every_kind
async def test_a_read_on_the_caller_s_connection_sees_what_is_not_committed_and_is_never_remembered(
    path: str, kind: Kind
) -> None:
    async with opened(path) as sessions:
        await check_reads(sessions, kind(path))


@every_kind
async def test_an_error_undoes_only_its_own_part(path: str, kind: Kind) -> None:
    async with opened(path) as sessions:
        left = await check_errors(sessions, kind(path), nobody=("nobody",))
        tables = dump(path)
        assert len(tables["users"]) == 4
        assert {row[1] for row in tables["coatcheck_sessions"]} == left


@every_kind
async def test_a_cancelled_call_undoes_its_own_part(path: str, kind: Kind) -> None:
    """Wherever it is cancelled, the caller's connection stays usable, and either all was done or nothing."""
    async with opened(path) as sessions:
        for steps in range(12):
            anonymous = await sessions.create(None)
            async with kind(path) as caller:
                await caller.execute("UPDATE users SET note = 'x'")
                task = asyncio.create_task(sessions.create("1", replaces=anonymous.token, connection=caller.connection))
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                await caller.execute(f"UPDATE users SET note = '{steps}'")  # noqa: S608
                await caller.commit()
            (row,) = dump(path)["coatcheck_sessions"]
            assert (row[1] == anonymous.session.id) is bool(await sessions.get(anonymous.token))
            if not task.cancelled():
                assert row[1] == task.result().session.id
            assert {row[4] for row in dump(path)["users"]} == {str(steps)}
            await sessions.revoke_everyone()


@asynccontextmanager
async def driver_autocommit(path: str) -> AsyncIterator[Any]:
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        yield connection


@asynccontextmanager
async def new_autocommit(path: str) -> AsyncIterator[Any]:
    async with aiosqlite.connect(path, autocommit=True) as connection:
        yield connection


@asynccontextmanager
async def sqlalchemy_autocommit(path: str) -> AsyncIterator[Any]:
    async with engine(path, "aiosqlite", isolation_level="AUTOCOMMIT") as made, made.begin() as connection:
        yield connection


@asynccontextmanager
async def sqlalchemy_not_begun(path: str) -> AsyncIterator[Any]:
    async with engine(path, "aiosqlite") as made, made.connect() as connection:
        yield connection


AUTOCOMMIT = [driver_autocommit, sqlalchemy_autocommit, sqlalchemy_not_begun]
if sys.version_info >= (3, 12):
    AUTOCOMMIT.append(new_autocommit)


@pytest.mark.parametrize("kind", AUTOCOMMIT)
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
async def test_a_connection_without_a_transaction_is_refused(
    path: str,
    kind: Callable[[str], AbstractAsyncContextManager[Any]],
    verb: Verb,
) -> None:
    async with opened(path) as sessions:
        created = await sessions.create("1")
        before = dump(path)
        async with kind(path) as connection:
            with pytest.raises(TransactionRequired, match="begin a transaction"):
                await verb(sessions, created, connection)
        assert dump(path) == before


async def test_a_lock_held_by_another_is_an_outage_for_the_caller_too(path: str) -> None:
    async with opened(path) as sessions, aiosqlite.connect(path, timeout=0.01) as connection:
        with plain(path) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable, match="locked"):
                await sessions.create("1", connection=connection)
            other.execute("ROLLBACK")
        await sessions.create("1", connection=connection)
        await connection.commit()
    assert len(dump(path)["coatcheck_sessions"]) == 1

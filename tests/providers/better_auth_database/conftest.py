"""Better Auth on both kinds of database, and our side of it on both."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.providers.better_auth_database.hands import Database, PostgreSQLDatabase, SQLiteDatabase
from tests.providers.better_auth_database.worker import Worker
from tests.servers.better_auth import BetterAuth
from tests.sides import kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.better_auth import Visitor
    from tests.servers.postgresql import PostgreSQL

__all__ = ["kind"]


@pytest.fixture(scope="session")
def postgresql_auth(postgresql: PostgreSQL) -> Iterator[Database]:
    """Better Auth on PostgreSQL, with the tables of coatcheck and the triggers beside its own."""
    name = postgresql.create_database()
    with BetterAuth(postgresql.url(name), admin=True) as server:
        yield PostgreSQLDatabase(server, postgresql, name)
    postgresql.drop_database(name)


@pytest.fixture(scope="session")
def sqlite_auth() -> Iterator[Database]:
    """The same on SQLite."""
    with BetterAuth(admin=True) as server:
        yield SQLiteDatabase(server)


@pytest.fixture(params=["postgresql", "sqlite"])
def auth(request: pytest.FixtureRequest) -> Database:
    """Run a test once on each, with the triggers as they should be."""
    database: Database = request.getfixturevalue(f"{request.param}_auth")
    database.prepare()
    return database


@pytest.fixture
def worker(kind: str) -> Iterator[Callable[..., Worker]]:
    """Give a test open workers, as many as it makes, and close them."""
    with ExitStack() as stack:

        def opened(auth: Database, **settings: Any) -> Worker:
            return stack.enter_context(Worker(kind, auth, **settings))

        yield opened


@pytest.fixture
def visitor(auth: Database) -> Iterator[Visitor]:
    """Somebody who has just registered."""
    with auth.server.visitor() as visitor:
        visitor.sign_up(auth.new_address(), tier="gold")
        yield visitor

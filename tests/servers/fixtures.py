"""Servers for tests.

Those that tests share are one of each for each process of tests, started when the first test asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.installations import program
from tests.servers.postgresql import PostgreSQL
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """PostgreSQL 18. A test that stops or breaks a server starts its own."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def empty_postgresql_url(postgresql: PostgreSQL) -> Iterator[str]:
    """Give a test an empty database of its own, and drop it afterwards."""
    name = postgresql.create_database()
    yield postgresql.url(name)
    postgresql.drop_database(name)


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL) -> Iterator[str]:
    """Give a test a database of its own with our tables, and drop it afterwards."""
    name = postgresql.create_database(like=postgresql.migrated)
    yield postgresql.url(name)
    postgresql.drop_database(name)


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """Valkey. A test that stops or breaks a server starts its own."""
    with Valkey() as server:
        yield server


@pytest.fixture
def valkey_url(valkey: Valkey) -> str:
    """Give a test the emptied server."""
    valkey.empty()
    return valkey.url()


# --- for the folders that ask for them: servers to be stopped and broken


@pytest.fixture(params=["valkey", "redis"])
def binary(request: pytest.FixtureRequest) -> str | None:
    """Name the program that a test's own server runs: Valkey's, which is None, and Debian's Redis."""
    return program("redis-server") if request.param == "redis" else None


@pytest.fixture
def server(binary: str | None) -> Iterator[Valkey]:
    """Give a test a server of its own."""
    with Valkey(binary) as server:
        yield server

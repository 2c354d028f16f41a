"""One PostgreSQL and one Valkey for each module, as its tests break them, and a database for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.postgresql import PostgreSQL
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def url(server: PostgreSQL) -> Iterator[str]:
    name = server.create_database()
    yield server.url(name)
    if server.running:
        server.resume()  # a test that failed may have left it so
    else:
        server.start()
    server.drop_database(name)


@pytest.fixture(scope="module")
def cache_server() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture
def cache(cache_server: Valkey) -> str:
    if cache_server.running:
        cache_server.resume()
    else:
        cache_server.start()
    cache_server.empty()
    return cache_server.url()


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a line in any case: the figures are what these tests are for."""

    def line(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}", end="")  # noqa: T201

    return line

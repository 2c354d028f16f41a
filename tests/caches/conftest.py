"""Async tests run on asyncio; the system's Redis runs beside Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.installations import program
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Valkey]:
    """Debian's Redis."""
    with Valkey(program("redis-server")) as server:
        yield server


@pytest.fixture
def server() -> Iterator[Valkey]:
    """A server for one test, to be stopped and broken."""
    with Valkey() as server:
        yield server

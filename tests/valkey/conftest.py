"""Servers and stores for the tests of the Valkey store."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.installations import program
from tests.servers.valkey import Valkey
from tests.valkey.sides import SIDES, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=SIDES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["valkey", "redis"])
def binary(request: pytest.FixtureRequest) -> str | None:
    return program("redis-server") if request.param == "redis" else None


@pytest.fixture
def server(binary: str | None) -> Iterator[Valkey]:
    """A server for one test, to be stopped and broken: Valkey, and Debian's Redis."""
    with Valkey(binary) as server:
        yield server


@pytest.fixture
def connect(kind: str) -> Iterator[Callable[..., Side]]:
    """Give a test open stores of one kind, and close them."""
    with ExitStack() as stack:

        def connected(url: str, **settings: Any) -> Side:
            return stack.enter_context(Side(kind, url, **settings))

        yield connected

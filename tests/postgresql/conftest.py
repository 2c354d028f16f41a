"""Stores for the tests of the PostgreSQL store."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.postgresql.sides import SIDES, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=SIDES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def connect(kind: str) -> Iterator[Callable[..., Side]]:
    """Give a test open stores of one kind, and close them."""
    with ExitStack() as stack:

        def connected(url: str, **settings: Any) -> Side:
            return stack.enter_context(Side(kind, url, **settings))

        yield connected


@pytest.fixture
def threads() -> Iterator[Callable[..., Side]]:
    """Give a test open stores for threads: where only the database is tested, both kinds are the same."""
    with ExitStack() as stack:
        yield lambda url, **settings: stack.enter_context(Side("threads", url, **settings))

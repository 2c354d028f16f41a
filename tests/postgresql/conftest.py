"""Stores for the tests of the PostgreSQL store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.postgresql.sides import Side
from tests.sides import kind, opening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["kind"]


@pytest.fixture
def connect(kind: str) -> Iterator[Callable[..., Side]]:
    """Give a test open stores of one kind."""
    with opening(partial(Side, kind)) as connected:
        yield connected


@pytest.fixture
def threads() -> Iterator[Callable[..., Side]]:
    """Give a test open stores for threads: where only the database is tested, both kinds are the same."""
    with opening(partial(Side, "threads")) as connected:
        yield connected

"""Stores for the tests of the Valkey store, and servers to be stopped and broken."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.servers.fixtures import binary, server
from tests.sides import kind, opening
from tests.valkey.sides import Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["binary", "kind", "server"]


@pytest.fixture
def connect(kind: str) -> Iterator[Callable[..., Side]]:
    """Give a test open stores of one kind."""
    with opening(partial(Side, kind)) as connected:
        yield connected

"""A database for each test, and sessions on it that count what they ask of their store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck import Sessions
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import FaultyStore, ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "app.db")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(path: str) -> FaultyStore:
    """A store that counts its calls, on a database without anything else in it."""
    return FaultyStore(SQLiteStore(path))


@pytest.fixture
def sessions(store: FaultyStore) -> Iterator[Sessions]:
    with Sessions(store) as opened:
        yield opened

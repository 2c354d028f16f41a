"""Sessions in a SQLite file, with a clock of their own, and what they told: fixtures for several folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck import Sessions
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coatcheck import Event


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def path(tmp_path: Path) -> str:
    return f"{tmp_path}/app.db"


@pytest.fixture
def keys() -> list[str] | None:
    """Sign nothing; a folder that wants signatures has keys of its own."""
    return None


@pytest.fixture
def sessions(path: str, keys: list[str] | None, clock: ManualClock, events: list[Event]) -> Iterator[Sessions]:
    store = SQLiteStore(path, clock=clock)
    with Sessions(store, keys=keys, clock=clock, on_event=events.append) as sessions:
        yield sessions

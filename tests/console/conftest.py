"""What the tests of the console share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck.core import passwords
from tests.console.desk import Desk, desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have settings take hashes that take no time."""
    monkeypatch.setattr(passwords, "_LEAST", {1: 1})


@pytest.fixture
async def at(cheap_hashes: None, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Desk]:
    """Return a console as it is by default."""
    async with desk(tmp_path) as made:
        yield made

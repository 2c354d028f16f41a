"""A bench for each test, closed after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cache.sides import ASYNCIO, THREADS, Bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(params=(ASYNCIO, THREADS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shape() -> str:
    """Where the log stands, and whether there is a shared cache; a test can ask for others."""
    return "memory"


@pytest.fixture
async def bench(kind: str, shape: str, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(kind, shape, tmp_path)
    yield made
    await made.close()

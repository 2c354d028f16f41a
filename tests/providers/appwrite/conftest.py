"""Appwrite's stand-in, a clock, and workers of both kinds."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.core.times import from_micros
from coatcheck.testing import ManualClock
from tests.providers.appwrite.worker import Worker
from tests.servers.appwrite import Appwrite
from tests.servers.fixtures import server
from tests.sides import kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["kind", "server"]


@pytest.fixture
def binary() -> None:
    """Let a test's own server be Valkey."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def appwrite(clock: ManualClock) -> Iterator[Appwrite]:
    """Appwrite, by the test's clock."""
    with Appwrite(lambda: from_micros(clock.now() // 1000)) as appwrite:
        yield appwrite


@pytest.fixture
def work(appwrite: Appwrite, clock: ManualClock, kind: str, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Give a test workers, as many as it makes, which share a log."""
    with ExitStack() as stack:

        def worker(store: str | None = None, **options: Any) -> Worker:
            options.setdefault("clock", clock)
            return stack.enter_context(Worker(kind, appwrite.url, store or str(tmp_path / "log.db"), **options))

        yield worker

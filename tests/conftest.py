"""For every test: how Hypothesis looks for examples, the servers that tests can ask for, and what they must close."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.racing import shared_url
from tests.servers.fixtures import empty_postgresql_url, postgresql, postgresql_url, valkey, valkey_url

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["empty_postgresql_url", "postgresql", "postgresql_url", "shared_url", "valkey", "valkey_url"]

# No deadline anywhere: a test says what happens, never how fast this machine is.
settings.register_profile("dev", deadline=None)
# The same examples in every run, so that a failure is about the change it came with.
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# For a long search by hand: HYPOTHESIS_PROFILE=thorough make test
settings.register_profile("thorough", deadline=None, max_examples=5_000)

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

_SLOW = frozenset(
    ("benchmarks", "browser", "client", "coherence", "django", "fleet", "processes", "testing", "upstreams", "workers")
)
"""Folders with files that take minutes: they go first, or one worker would have such a file when all are done."""

_ENDING = 10.0
"""Seconds that a thread may take to end, once it was told to."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first; `make test` has pytest-xdist keep this order."""
    items.sort(key=lambda item: item.path.parent.name not in _SLOW)


@pytest.fixture
def anyio_backend() -> str:
    """Run every async test on asyncio, the only event loop that coatcheck knows."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _threads_end() -> Iterator[None]:
    """Fail a test that has not closed what it opened: a thread that stays goes on polling behind the other tests."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("coatcheck-"):
            thread.join(_ENDING)
            assert not thread.is_alive(), f"{thread.name} outlives the test that has started it: close what it is of"


@pytest.fixture(autouse=True)
def _logging_ends() -> Iterator[None]:
    """Stop the thread by which Litestar logs: it would go on, into what has been captured and closed."""
    yield
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if (listener := getattr(handler, "listener", None)) is not None:
            listener.stop()
            atexit.unregister(listener.stop)
            root.removeHandler(handler)

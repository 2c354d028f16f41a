"""Each test that asks for `bench` runs once for each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.providers.sessions.bench import Bench, a_bench
from tests.sides import kind

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["kind"]


@pytest.fixture
def bench(kind: str) -> Iterator[Bench]:
    with a_bench(kind) as made:
        yield made

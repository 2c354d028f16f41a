"""A running site for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Run the site with default settings."""
    made = Site(tmp_path)
    with made.client:
        yield made

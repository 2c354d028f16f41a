"""The npm package as it is published, and the example as it really runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import axe, chromium, device
from tests.client.example import Example
from tests.client.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Generator

    from playwright.sync_api import Browser

__all__ = ["axe", "chromium", "device"]


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("npm"))


@pytest.fixture(scope="module")
def example(chromium: Browser, workshop: Workshop) -> Generator[Example]:
    """Serve the pages as React shows them to developers: StrictMode mounts everything twice, and warnings are said."""
    with Example(workshop.pages("development")) as running:
        yield running

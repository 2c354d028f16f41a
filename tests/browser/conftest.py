"""A real browser, and the demo as it really runs."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.flags import FLAGS
from tests.browser.steps import ELSEWHERE, sign_up
from tests.demo.processes import Running, running_demo
from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from playwright.sync_api import Browser, Page

AXE = Path(__file__).parent.parent.parent / "node_modules" / "axe-core" / "axe.min.js"
_FLAGS = [*FLAGS, f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1"]


@pytest.fixture(scope="module")
def chromium() -> Generator[Browser]:
    """Start Chromium; the module keeps it, and no longer, because its driver occupies the event loop."""
    path = shutil.which("chromium")
    if path is None:
        missing("chromium is not installed")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def demo(chromium: Browser) -> Generator[Running]:
    """Run the demo's two processes."""
    with running_demo() as running:
        yield running


@pytest.fixture
def device(chromium: Browser) -> Generator[Callable[..., Page]]:
    """Return a maker of browsers with cookies of their own, each with one page."""
    contexts = []

    def make(**options: bool) -> Page:
        context = chromium.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(20_000)
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the program that finds faults in a page's accessibility."""
    if not AXE.exists():
        missing("node_modules/axe-core is not installed: npm ci")
    return AXE.read_text()


_numbers = itertools.count(1)


@pytest.fixture
def email() -> str:
    """Return the address of nobody yet."""
    return f"ada{next(_numbers)}@example.com"


@pytest.fixture
def ada(demo: Running, device: Callable[..., Page], email: str) -> Page:
    """Return a page of a browser in which Ada has just signed up, at process 1."""
    page = device()
    sign_up(page, demo.url(), email)
    return page

"""The page of devices as applications get it that have no layout: accessible, and by keyboard alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import Sessions
from coatcheck.device_page.content import TITLE, Content, content_html
from coatcheck.device_page.documents import document_html
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import ManualClock
from tests.browser.looks import faults_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture
def content(tmp_path: Path) -> Content:
    """Return a list of two devices: one of three hours ago, and this one."""
    clock = ManualClock()
    with Sessions(SQLiteStore(str(tmp_path / "site.db"), clock=clock), clock=clock) as sessions:
        sessions.create("ada", ip="2001:db8:1234:5678:9abc:def0:1234:5678", remember=True)
        clock.advance(timedelta(hours=3))
        current = sessions.create("ada").session
        return Content(sessions.list("ada"), current.id, sessions.now(), "/devices")


def document(content: Content, **shown: Any) -> str:
    return document_html(TITLE, content_html(content._replace(**shown)))


def test_it_is_accessible_with_every_notice(device: Callable[..., Page], axe: str, content: Content) -> None:
    page = device()
    faults: dict[tuple[str, str], object] = {}
    for said, confirm in (("device", ""), ("gone", "/confirm?next=%2Fdevices")):
        page.set_content(document(content, said=said, confirm=confirm))
        faults |= {(said, look): fault for look, fault in faults_of(page, axe).items()}
    assert faults == {}


def test_every_button_is_reached_and_seen_by_keyboard_and_says_what_it_ends(
    device: Callable[..., Page], content: Content
) -> None:
    page = device()
    page.set_content(document(content))
    names = []
    for _ in range(len(content.sessions) + 2):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert names == [
        "Sign out Unknown device, last seen just now",
        "Sign out Unknown device, last seen 3 hours ago",
        "Sign out all others",
        "Sign out everywhere",
    ]

"""Every page of the demo, narrow and wide, light and dark: accessible, and nowhere wider than the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.looks import SIZES, faults_of
from tests.browser.steps import ELSEWHERE, ENDED, heading, press, sign_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.demo.processes import Running

pytestmark = pytest.mark.browser

STRANGERS = {
    "/": "Sign in twice. End one. Watch it end everywhere.",
    "/sign-up": "Create an account",
    "/sign-in?next=/devices": "Sign in",
    "/signed-in": "Your browser kept no session cookie",
    "/status": "Process 1",
    "/?said=deleted": "Sign in twice. End one. Watch it end everywhere.",
    "/nowhere": "Not Found",
}
MEMBERS = {
    "/": "Hello, Ada Lovelace",
    "/devices": "Devices",
    "/devices?said=others": "Devices",
    "/confirm?next=/devices": "Confirm that it is you",
    "/account/delete": "Delete the account?",
    "/status": "Process 1",
    "/devices/others/end": "Method Not Allowed",
}


@pytest.mark.parametrize("path", STRANGERS)
def test_a_strangers_pages(demo: Running, device: Callable[..., Page], axe: str, path: str) -> None:
    page = device()
    page.goto(demo.url() + path)
    assert heading(page).startswith(STRANGERS[path])
    assert faults_of(page, axe) == {}


@pytest.mark.parametrize("path", ["/sign-up", "/sign-in"])
def test_forms_with_errors(demo: Running, device: Callable[..., Page], axe: str, path: str) -> None:
    page = device()
    page.goto(demo.url() + path)
    press(page, {"/sign-up": "Create the account", "/sign-in": "Sign in"}[path])
    assert page.title().startswith("Error: ")
    assert faults_of(page, axe) == {}


def test_a_members_pages(demo: Running, ada: Page, axe: str) -> None:
    faults: dict[tuple[str, str], object] = {}
    for path, about in MEMBERS.items():
        ada.goto(demo.url() + path)
        assert heading(ada).startswith(about)
        faults |= {(path, look): fault for look, fault in faults_of(ada, axe).items()}
    ada.goto(f"{demo.url()}/confirm")
    press(ada, "Confirm")
    faults |= {("wrong password", look): fault for look, fault in faults_of(ada, axe).items()}
    assert faults == {}


def test_the_pages_of_a_device_whose_session_has_ended(
    demo: Running, device: Callable[..., Page], ada: Page, axe: str, email: str
) -> None:
    other = device()
    sign_in(other, demo.url(2), email)
    other.goto(f"{demo.url(2)}/devices")
    press(other, "Sign out all others")
    ada.goto(demo.url())
    assert heading(ada) == ENDED
    assert faults_of(ada, axe) == {}
    ada.goto(f"{demo.url()}/status")
    assert ada.get_by_text("This session has ended").is_visible()
    assert faults_of(ada, axe) == {}


def test_the_page_at_an_address_where_cookies_are_refused(demo: Running, device: Callable[..., Page], axe: str) -> None:
    page = device()
    page.goto(f"http://{ELSEWHERE}:{demo.port}/sign-up")
    assert page.get_by_role("heading", name="You cannot sign in at this address").is_visible()
    assert faults_of(page, axe) == {}


def test_a_long_name_and_address_do_not_widen_a_page(demo: Running, device: Callable[..., Page]) -> None:
    page = device()
    page.set_viewport_size({"width": 360, "height": SIZES[360]})
    page.goto(f"{demo.url()}/sign-up")
    page.get_by_label("Name").fill("W" * 80)
    page.get_by_label("Email address").fill(f"{'w' * 100}@{'w' * 60}.example")
    page.get_by_label("Password").fill("correct horse")
    press(page, "Create the account")
    for path in ("/", "/status", "/account/delete"):
        page.goto(demo.url() + path)
        assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_keyboards_focus_is_seen_wherever_it_is(demo: Running, ada: Page) -> None:
    """Tab reaches every link, field and button, each with an outline; the way past the navigation comes first."""
    for path, scheme in (("/sign-in", "light"), ("/devices", "dark")):
        ada.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        ada.goto(demo.url() + path)
        wanted = ada.locator("a, button:enabled, input:not([type=hidden])").count()
        ada.keyboard.press("Tab")
        assert ada.evaluate("document.activeElement.className") == "skip"
        assert ada.evaluate("document.activeElement.getBoundingClientRect().top >= 0")
        for _ in range(wanted):
            outline = ada.evaluate(
                "(({outlineStyle, outlineWidth}) => [outlineStyle, parseFloat(outlineWidth) >= 2])"
                "(getComputedStyle(document.activeElement))"
            )
            assert outline == ["solid", True], ada.evaluate("document.activeElement.outerHTML")
            ada.keyboard.press("Tab")
        assert ada.evaluate("document.activeElement === document.body")

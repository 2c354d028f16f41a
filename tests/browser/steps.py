"""What a visitor does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.demo.processes import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Page

ELSEWHERE = "demo.test"
"""A host name that leads to this machine, and that browsers do not take for it."""

ENDED = "This device has been signed out"


def press(page: Page, name: str) -> None:
    """Press a button that sends a form, and wait for the page where that leads."""
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()


def sign_up(page: Page, url: str, email: str) -> None:
    """Create an account through the form."""
    page.goto(f"{url}/sign-up")
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Create the account")


def sign_in(page: Page, url: str, email: str, *, remember: bool = False) -> None:
    """Sign in through the form."""
    page.goto(f"{url}/sign-in")
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Remember me").set_checked(remember)
    press(page, "Sign in")


def heading(page: Page) -> str:
    """Return what the page is about."""
    return page.get_by_role("heading", level=1).inner_text()

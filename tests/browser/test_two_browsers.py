"""Two browsers, two processes, one session ended: what the demo is for, in real Chromium."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.browser.steps import ELSEWHERE, ENDED, heading, press, sign_in, sign_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.demo.processes import Running

pytestmark = pytest.mark.browser

DAY = 86_400
HELLO = "Hello, Ada Lovelace"


def test_L7_one_signs_the_other_out_and_the_other_process_knows_at_once(
    demo: Running, device: Callable[..., Page], ada: Page, email: str
) -> None:
    """They see each other; the next page of the one that was ended says so, on either process."""
    other = device()
    sign_in(other, demo.url(2), email)
    other.goto(f"{demo.url(2)}/")
    assert heading(other) == HELLO
    for page, process in ((ada, 1), (other, 2)):
        page.goto(f"{demo.url(process)}/devices")
        assert page.get_by_role("listitem").count() == 2
        assert page.get_by_text("This device", exact=True).count() == 1

    elsewhere = ada.get_by_role("listitem").filter(has_not_text="This device")
    with ada.expect_navigation():
        elsewhere.get_by_role("button").click()
    assert ada.get_by_role("listitem").count() == 1

    for process in (2, 1):
        response = other.goto(f"{demo.url(process)}/devices")
        assert response is not None
        assert response.status == 401
        assert heading(other) == ENDED
        assert other.locator("footer .badge").inner_text() == f"Process {process}"
    ada.goto(f"{demo.url(2)}/")
    assert heading(ada) == HELLO


def test_C1_C2_the_cookie_has_exactly_the_stated_attributes(
    demo: Running, device: Callable[..., Page], ada: Page, email: str
) -> None:
    """It ends with the browser, unless the user asked to be remembered; and no script sees it."""
    lasting = device()
    sign_in(lasting, demo.url(2), email, remember=True)
    for page in (ada, lasting):
        [cookie] = page.context.cookies()
        assert cookie["name"] == "__Host-session"
        assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
        assert (cookie["path"], cookie["domain"]) == ("/", "127.0.0.1")
        assert page.evaluate("document.cookie") == ""
        end = cookie["expires"]
        assert end == -1 if page is ada else 89 * DAY < end - time.time() <= 90 * DAY


def test_C10_signing_out_takes_the_cookie_back(demo: Running, ada: Page) -> None:
    assert len(ada.context.cookies()) == 1
    press(ada, "Sign out")
    assert ada.context.cookies() == []
    ada.goto(f"{demo.url(2)}/devices")
    assert heading(ada) == "Sign in"


def test_both_processes_answer_side_by_side(demo: Running, device: Callable[..., Page], ada: Page, email: str) -> None:
    """Each in its frame; once the session has ended, asking again says so in both, without a script."""
    other = device()
    sign_in(other, demo.url(2), email)
    ada.goto(demo.url())
    frames = [ada.frame_locator(f"iframe[title='Process {number}']") for number in (1, 2)]
    for number, frame in enumerate(frames, 1):
        frame.get_by_text("Signed in as Ada Lovelace").wait_for()
        assert frame.locator(".badge").inner_text() == f"Process {number}"
    other.goto(f"{demo.url(2)}/devices")
    press(other, "Sign out all others")
    for frame in frames:
        frame.get_by_role("link", name="Ask again").click()
        frame.get_by_text("This session has ended").wait_for()


def test_everything_works_without_scripts(demo: Running, device: Callable[..., Page], email: str) -> None:
    """From signing up to ending everything, and deleting the account."""
    here, there = device(java_script_enabled=False), device(java_script_enabled=False)
    sign_up(here, demo.url(), email)
    assert here.get_by_role("heading", level=1).inner_text() == HELLO
    sign_in(there, demo.url(2), email)
    here.get_by_role("link", name="Devices", exact=True).first.click()
    press(here, "Sign out all others")
    assert here.get_by_role("status").inner_text().startswith("All other devices are signed out")
    there.reload()
    assert heading(there) == ENDED
    there.get_by_role("link", name="Sign in again").click()
    sign_in(there, demo.url(2), email)
    here.goto(f"{demo.url(2)}/devices")
    press(here, "Sign out everywhere")
    assert here.get_by_role("status").inner_text() == "You are signed out everywhere."
    there.reload()
    assert heading(there) == ENDED
    sign_in(there, demo.url(), email)
    there.goto(f"{demo.url()}/account/delete")
    press(there, "Delete the account")
    assert there.get_by_role("status").inner_text().startswith("Your account is deleted")
    assert there.context.cookies() == []


def test_X6_a_form_on_another_site_reaches_nothing(demo: Running, ada: Page) -> None:
    """Neither on a stranger's page, nor on one of the same host and another port."""
    stranger = ada.context.new_page()
    form = f'<form method="post" action="{demo.url(1)}/sign-out"><button>Win a prize</button></form>'
    stranger.route("**/prize", lambda route: route.fulfill(body=form, content_type="text/html"))
    for origin in ("http://stranger.test", demo.url(2)):
        stranger.goto(f"{origin}/prize")
        with stranger.expect_response(f"{demo.url(1)}/sign-out") as response:
            stranger.get_by_role("button").click()
        assert response.value.status == 403, origin
    ada.goto(f"{demo.url(2)}/")
    assert heading(ada) == HELLO


def test_over_plain_http_elsewhere_the_browser_refuses_the_cookie_and_the_page_says_why(
    demo: Running, device: Callable[..., Page], email: str
) -> None:
    page = device()
    url = f"http://{ELSEWHERE}:{demo.port}"
    page.goto(url)
    assert page.get_by_role("heading", name="You cannot sign in at this address").is_visible()
    sign_up(page, url, email)
    assert page.context.cookies() == []
    assert heading(page) == "Your browser kept no session cookie"
    assert page.get_by_text("ssh -L").is_visible()


def test_fields_that_are_wrong_are_found_by_their_messages(demo: Running, device: Callable[..., Page]) -> None:
    """The first wrong field has the focus, and its description is its message."""
    page = device()
    page.goto(f"{demo.url()}/sign-up")
    page.get_by_label("Name").fill("Ada")
    press(page, "Create the account")
    field = page.get_by_label("Email address")
    assert field.evaluate("field => field === document.activeElement")
    described = field.get_attribute("aria-describedby")
    assert described is not None
    assert page.locator(f"#{described}").inner_text().endswith("Enter an email address.")
    assert page.get_by_label("Name").input_value() == "Ada"
    assert page.get_by_label("Name").get_attribute("aria-invalid") is None

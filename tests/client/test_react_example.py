"""The React example in real Chromium: one request, every tab told, and an outage that is no sign-out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.looks import faults_of
from tests.servers.waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.client.example import Example

pytestmark = [pytest.mark.browser, pytest.mark.processes]

WAIT = DEADLINE * 1000
PASSWORD = "coatcheck"
NETWORK_IS_BACK = "dispatchEvent(new Event('online'))"


class Visitor:
    """A browser with the example open, and what it asked and said."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.asked: list[str] = []
        self.said: list[str] = []
        self.page.context.on("request", lambda request: self.asked.append(f"{request.method} {request.url}"))
        self._open(page)

    def _open(self, page: Page) -> Page:
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("console", lambda message: self.said.append(message.text))
        page.goto(self.url)
        return page

    def tab(self) -> Page:
        """Open another tab."""
        return self._open(self.page.context.new_page())

    def sign_in(self, name: str = "Ada", password: str = PASSWORD) -> None:
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def questions(self) -> int:
        """Say how often the server was asked who is signed in."""
        return self.asked.count(f"GET {self.url}/api/session")

    def complaints(self) -> list[str]:
        """Return what React or the page complained of; the browser itself notes each 401 and 503."""
        return [words for words in self.said if "Failed to load resource" not in words and "DevTools" not in words]


@pytest.fixture
def visitor(example: Example, device: Callable[..., Page]) -> Visitor:
    return Visitor(device(), example.url)


def greeting(page: Page, name: str = "Ada") -> None:
    """Wait until the page greets somebody."""
    page.get_by_role("heading", name=f"Hello, {name}").wait_for()


def form(page: Page) -> None:
    """Wait until the page asks for a sign-in."""
    page.get_by_role("heading", name="Sign in").wait_for()


def test_one_request_however_many_components_ask_and_the_session_outlives_a_reload(visitor: Visitor) -> None:
    """In StrictMode too, which mounts everything twice."""
    form(visitor.page)
    assert visitor.questions() == 1
    visitor.sign_in(password="wrong")
    visitor.page.get_by_text("The password is wrong.").wait_for()
    visitor.sign_in()
    greeting(visitor.page)
    assert visitor.questions() == 2
    visitor.page.reload()
    greeting(visitor.page)
    assert visitor.questions() == 3
    assert visitor.page.get_by_test_id("requests").inner_text() == "1"
    assert visitor.complaints() == []


def test_every_tab_follows_when_one_signs_in_or_out(visitor: Visitor) -> None:
    """Of a sign-in they ask who it is; of a sign-out they need not."""
    form(visitor.page)
    other = visitor.tab()
    form(other)
    visitor.sign_in()
    greeting(visitor.page)
    greeting(other)
    asked = visitor.questions()
    other.get_by_role("button", name="Sign out", exact=True).click()
    form(other)
    form(visitor.page)
    assert visitor.questions() == asked
    assert visitor.page.context.cookies() == []
    assert visitor.complaints() == []


def test_N3_a_server_that_stands_still_signs_nobody_out(example: Example, visitor: Visitor) -> None:
    """Nor does one that is gone: the page stays with what was typed into it, says so, and goes on by itself."""
    visitor.sign_in()
    greeting(visitor.page)
    visitor.page.get_by_label("A note to yourself").fill("buy a hat")
    outage = visitor.page.get_by_text("The server does not answer.")
    example.pause()
    visitor.page.evaluate(NETWORK_IS_BACK)
    outage.wait_for()
    greeting(visitor.page)
    example.resume()
    outage.wait_for(state="detached")
    example.kill()
    visitor.page.evaluate(NETWORK_IS_BACK)
    outage.wait_for()
    visitor.page.get_by_role("button", name="Sign out", exact=True).click()
    visitor.page.get_by_text("You are still signed in.").wait_for()
    example.start()
    outage.wait_for(state="detached")
    greeting(visitor.page)
    assert visitor.page.get_by_label("A note to yourself").input_value() == "buy a hat"
    assert visitor.complaints() == []


def test_N3_who_opens_the_page_in_an_outage_is_not_asked_to_sign_in(visitor: Visitor) -> None:
    """503 and no answer at all look the same to them."""
    form(visitor.page)
    visitor.sign_in()
    greeting(visitor.page)
    visitor.page.route("**/api/session", lambda route: route.fulfill(status=503, headers={"retry-after": "1"}))
    visitor.page.reload()
    visitor.page.get_by_role("heading", name="We cannot tell yet who you are").wait_for()
    assert visitor.page.get_by_role("heading", name="Sign in").count() == 0
    visitor.page.unroute("**/api/session")
    greeting(visitor.page)


def test_L14_ending_the_others_asks_for_the_password_when_it_was_given_long_ago(
    example: Example, visitor: Visitor, device: Callable[..., Page]
) -> None:
    """And they are signed out with the next thing that they ask."""
    visitor.sign_in("Grace")
    other = Visitor(device(), example.url)
    other.sign_in("Grace")
    greeting(other.page, "Grace")
    visitor.page.reload()
    greeting(visitor.page, "Grace")
    visitor.page.get_by_role("listitem").nth(1).wait_for()
    example.let_authentication_age()
    visitor.page.get_by_role("button", name="Sign out all others").click()
    dialog = visitor.page.get_by_role("dialog", name="Confirm that it is you")
    dialog.get_by_label("Password").fill("wrong")
    dialog.get_by_role("button", name="Confirm").click()
    dialog.get_by_text("The password is wrong.").wait_for()
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Confirm").click()
    visitor.page.get_by_text("Done.").wait_for()
    visitor.page.get_by_role("listitem").nth(1).wait_for(state="detached")
    other.page.evaluate(NETWORK_IS_BACK)
    form(other.page)
    greeting(visitor.page, "Grace")
    visitor.page.get_by_role("listitem").get_by_role("button").click()
    form(visitor.page)
    assert visitor.complaints() == other.complaints() == []


def test_the_pages_are_accessible(example: Example, visitor: Visitor, axe: str) -> None:
    """Narrow and wide, light and dark: signed out, with an error, signed in, asked for the password, in an outage."""
    form(visitor.page)
    faults = {("signed out", look): fault for look, fault in faults_of(visitor.page, axe).items()}
    visitor.sign_in(password="wrong")
    visitor.page.get_by_text("The password is wrong.").wait_for()
    faults |= {("refused", look): fault for look, fault in faults_of(visitor.page, axe).items()}
    visitor.sign_in("W" * 60)
    greeting(visitor.page, "W" * 60)
    visitor.page.get_by_role("listitem").wait_for()
    visitor.page.context.set_offline(True)
    visitor.page.evaluate(NETWORK_IS_BACK)
    visitor.page.get_by_text("The server does not answer.").wait_for()
    faults |= {("outage", look): fault for look, fault in faults_of(visitor.page, axe).items()}
    visitor.page.context.set_offline(False)
    visitor.page.get_by_text("The server does not answer.").wait_for(state="detached")
    example.let_authentication_age()
    visitor.page.get_by_role("button", name="Sign out everywhere").click()
    visitor.page.get_by_role("dialog").wait_for()
    faults |= {("dialog", look): fault for look, fault in faults_of(visitor.page, axe).items()}
    assert faults == {}

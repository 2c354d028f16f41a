"""The administrator's console of `coatcheck serve`, in real Chromium: by keyboard alone, accessible, and up to date."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, NamedTuple

import pytest

from coatcheck import Sessions, UsersTable
from coatcheck.core.passwords import hashed
from tests.browser.looks import SIZES, faults_of
from tests.browser.steps import heading, press
from tests.servers.gate import ServedGate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery"
PEOPLE = [
    ("1", "Ada Lovelace", "ada@example.com"),
    ("2", "محمد بن موسى الخوارزمي", "m@example.org"),
    ("3", "W" * 80, f"{'w' * 60}@example.com"),
    ("4", "<script>document.title = 'taken'</script>", None),
]
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)


class Console(NamedTuple):
    """A gate with a console, and the sessions that it looks after."""

    url: str
    sessions: Sessions


@pytest.fixture(scope="module")
def console(chromium: Browser) -> Iterator[Console]:
    """Run the gate as everybody starts it, beside a users table."""
    gate = ServedGate({"CONSOLE_OPERATORS": f"grace:{hashed(PASSWORD).text()}", "USERS_TABLE": "users"})
    with sqlite3.connect(gate.store.removeprefix("sqlite:///")) as database:
        database.execute("CREATE TABLE users (id TEXT PRIMARY KEY, name TEXT, email TEXT, role TEXT)")
        database.executemany("INSERT INTO users VALUES (?, ?, ?, NULL)", PEOPLE)
    database.close()
    with gate, Sessions(gate.store, users=UsersTable()) as sessions:
        yield Console(f"{gate.address}/console", sessions)


@pytest.fixture
def someone(console: Console) -> Iterator[list[str]]:
    """Have two sessions of each user, and return the tokens; Ada's are the latest."""
    yield [
        console.sessions.create(user, ip=ip, user_agent=PHONE, remember=True, actor_id="support").token.reveal()
        for user, *_ in reversed(PEOPLE)
        for ip in ("203.0.113.7", "2001:db8:1234:5678:9abc:def0:1234:5678")
    ]
    console.sessions.revoke_everyone()  # the operator too: each test signs in


def sign_in(page: Page, console: Console) -> None:
    """Sign in by the form."""
    page.goto(console.url)
    page.get_by_label("Name").fill("grace")
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Sign in")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until something of this name has the focus, which is seen wherever it is on the way."""
    for _ in range(60):
        page.keyboard.press("Tab")
        said, outline = page.evaluate(
            "(() => { const at = document.activeElement;"
            "return [at.ariaLabel || at.labels?.[0]?.textContent || at.textContent,"
            "getComputedStyle(at).outlineStyle] })()"
        )
        if said == "":  # the page itself, between the last element and the first
            continue
        assert outline == "solid", page.evaluate("document.activeElement.outerHTML")
        if said.startswith(name):
            return
    pytest.fail(f"Tab leads to no {name!r}")


def enter(page: Page) -> None:
    """Press Enter, and wait for where that leads."""
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_L13_sessions_are_found_chosen_and_ended_by_keyboard_alone(
    console: Console, someone: list[str], device: Callable[..., Page]
) -> None:
    page = device()
    page.goto(f"{console.url}/trail")
    tab_to(page, "Name")
    page.keyboard.type("grace")
    tab_to(page, "Password")
    page.keyboard.type(PASSWORD)
    enter(page)
    assert heading(page) == "Audit trail"
    tab_to(page, "Sessions")
    enter(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to(page, "Search")
    page.keyboard.type("ada@example")
    enter(page)
    assert page.get_by_role("row").count() == 3
    tab_to(page, "Choose Ada Lovelace, Safari on iPhone, last seen")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+Tab")  # "End all 2 that fit…"
    page.keyboard.press("Shift+Tab")  # "Choose all of this page"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.textContent") == "End chosen…"
    enter(page)
    assert heading(page) == "You are about to end 1 session of 1 user"
    tab_to(page, "End 1 session")
    enter(page)
    assert heading(page) == "Sessions ended"
    assert page.get_by_role("status").inner_text().startswith("1 session has ended.")
    assert [bool(console.sessions.get(token)) for token in someone] == [True] * 7 + [False]
    tab_to(page, "Sign out")
    enter(page)
    assert heading(page) == "Sign in"


def test_every_page_is_accessible_and_no_wider_than_the_screen(
    console: Console, someone: list[str], device: Callable[..., Page], axe: str
) -> None:
    """On a phone and a desktop, light and dark."""
    page = device()
    faults: dict[str, object] = {}

    def look(about: str) -> None:
        assert heading(page).startswith(about)
        faults.update({f"{about}: {look}": fault for look, fault in faults_of(page, axe).items()})
        page.set_viewport_size({"width": 1280, "height": SIZES[1280]})

    page.goto(console.url)
    look("Sign in")
    page.get_by_label("Name").fill("eve")
    page.get_by_label("Password").fill("wrong")
    press(page, "Sign in")
    assert page.title().startswith("Error: ")
    look("Sign in")
    sign_in(page, console)
    look("Sessions")
    for path, about in (
        ("?q=ada&active=15m&begun=1d&user=1&choose=page", "Sessions"),
        ("?q=nobody", "Sessions"),
        ("/end?user=3", "You are about to end 2 sessions of 1 user"),
        ("/end?everyone=1", "You are about to end 8 sessions of 4 users"),
        ("/end?chosen=1", "End sessions"),
        ("/confirm", "Confirm that it is you"),
        ("/numbers", "Numbers"),
        ("/trail", "Audit trail"),
        ("/sessions/nobody", "Not here"),
    ):
        page.goto(console.url + path)
        look(about)
    page.goto(f"{console.url}?user=4")
    page.get_by_role("row").nth(1).get_by_role("link").click()
    look("Session of <script>")
    page.goto(f"{console.url}/end?user=2")
    press(page, "End 2 sessions")
    look("Sessions ended")
    assert faults == {}


def test_without_a_script_everything_works(console: Console, someone: list[str], chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, console)
    page.get_by_label("Search", exact=True).fill("ada@example")
    press(page, "Search")
    page.get_by_role("link", name="Choose all of this page").click()
    page.get_by_label("Choose Ada Lovelace").first.uncheck()
    press(page, "End chosen…")
    press(page, "End 1 session")
    assert [bool(console.sessions.get(token)) for token in someone] == [True] * 6 + [False, True]
    context.close()


def test_the_list_keeps_itself_up_to_date_until_somebody_pauses_it_or_is_about_to_choose(
    console: Console, someone: list[str], device: Callable[..., Page]
) -> None:
    page = device()
    page.clock.install()
    sign_in(page, console)
    said = page.locator("#count")
    assert said.get_attribute("role") == "status"
    assert said.inner_text().startswith("8 sessions")

    def later() -> None:
        with page.expect_response(re.compile(r"/console$")):
            page.clock.run_for(16_000)

    console.sessions.create("1")
    later()
    page.get_by_text("9 sessions of users").wait_for()
    assert page.get_by_role("row").count() == 10

    page.get_by_label("Choose Ada Lovelace").first.check()
    console.sessions.create("1")
    page.clock.run_for(60_000)
    assert page.get_by_role("row").count() == 10
    page.get_by_label("Choose Ada Lovelace").first.uncheck()
    page.get_by_role("heading", level=1).click()
    later()
    page.get_by_text("10 sessions of users").wait_for()

    page.get_by_role("button", name="Pause updates").click()
    console.sessions.create("1")
    page.clock.run_for(60_000)
    assert said.inner_text().startswith("10 sessions")
    page.get_by_role("button", name="Update by itself").click()
    page.get_by_text("11 sessions of users").wait_for()

    console.sessions.revoke_everyone()
    page.clock.run_for(16_000)
    page.get_by_text("You are signed out: reload the page.").wait_for()


def test_with_reduced_motion_nothing_moves_by_itself(
    console: Console, someone: list[str], device: Callable[..., Page]
) -> None:
    page = device()
    page.emulate_media(reduced_motion="reduce")
    page.clock.install()
    sign_in(page, console)
    console.sessions.create("1")
    page.clock.run_for(60_000)
    assert page.locator("#count").inner_text().startswith("8 sessions")
    assert page.get_by_role("button", name="Update by itself").is_visible()

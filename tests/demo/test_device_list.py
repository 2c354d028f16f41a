"""The list of devices, and ending sessions from it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.demo.processes import PASSWORD, Browser

if TYPE_CHECKING:
    from tests.demo.conftest import Processes

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
ENDED = "This device has been signed out"


@pytest.fixture
def pair(demo: Processes) -> tuple[Browser, Browser]:
    """Return two browsers of one user, the second of which has signed in at process 2."""
    here, there = demo.browser(), demo.browser(IPHONE)
    here.sign_up("ada@example.com")
    there.sign_in("ada@example.com", on=2)
    return here, there


def ends_of(page: str) -> dict[str, str]:
    """Return the addresses of the buttons that end one device, by the device's name."""
    items = re.findall(r'<li class="card.*?</li>', page, re.DOTALL)
    found = {}
    for item in items:
        name = re.search(r"<h2>(.*?)(?: <span|</h2>)", item)
        action = re.search(r'action="(/devices/[^"]+/end)"', item)
        assert name is not None
        assert action is not None
        found[name[1]] = action[1]
    return found


def test_each_sees_both_and_which_it_is(pair: tuple[Browser, Browser]) -> None:
    """Devices have readable names; exactly the current one is marked, on each of them."""
    for browser, current in zip(pair, ("Firefox 143 on Windows", "Safari on iPhone"), strict=True):
        page = browser.get("/devices").text
        assert set(ends_of(page)) == {"Firefox 143 on Windows", "Safari on iPhone"}
        assert re.findall(r'<h2>(.*?) <span class="badge good">This device', page) == [current]


def test_L7_ending_another_device_is_seen_by_both_processes_at_once(pair: tuple[Browser, Browser]) -> None:
    """Both had answered for it from memory before, and neither does once more."""
    here, there = pair
    for process in (1, 2):
        there.get("/", on=process)
        assert '<b class="tier">memory</b>' in there.get("/", on=process).text
    page = here.submit(ends_of(here.get("/devices").text)["Safari on iPhone"])
    assert "The device is signed out." in page.text
    assert list(ends_of(page.text)) == ["Firefox 143 on Windows"]
    for process in (2, 1):
        response = there.get("/", on=process)
        assert response.status_code == 401
        assert ENDED in response.text
        assert f"Process {process}\n" in response.text or f"Process {process}" in response.text
    assert "Hello, Ada" in here.get("/", on=2).text


def test_a_form_sent_by_an_ended_device_does_nothing_and_says_why(pair: tuple[Browser, Browser]) -> None:
    here, there = pair
    actions = ends_of(there.get("/devices").text)
    here.submit(actions["Safari on iPhone"])
    response = there.submit(actions["Firefox 143 on Windows"])
    assert (response.status_code, ENDED in response.text) == (401, True)
    assert "Hello, Ada" in here.get("/").text


def test_ending_this_device_is_signing_out(pair: tuple[Browser, Browser]) -> None:
    here, there = pair
    page = here.submit(ends_of(here.get("/devices").text)["Firefox 143 on Windows"])
    assert "You are signed out." in page.text
    assert here.cookie is None
    assert "Hello, Ada" in there.get("/").text


def test_L12_ending_all_others_keeps_this_one_with_a_new_token(demo: Processes, pair: tuple[Browser, Browser]) -> None:
    here, there = pair
    third = demo.browser()
    third.sign_in("ada@example.com")
    old = here.cookie
    page = here.submit("/devices/others/end")
    assert "All other devices are signed out" in page.text
    assert list(ends_of(page.text)) == ["Firefox 143 on Windows"]
    assert here.cookie not in {old, None}
    assert ENDED in there.get("/", on=2).text
    assert ENDED in third.get("/", on=2).text


def test_ending_all_others_is_not_offered_where_there_are_none(demo: Processes) -> None:
    browser = demo.browser()
    browser.sign_up("ada@example.com")
    assert re.search(r"<button[^>]* disabled>Sign out all others", browser.get("/devices").text)


def test_ending_all_ends_this_one_too(pair: tuple[Browser, Browser]) -> None:
    here, there = pair
    page = here.submit("/devices/all/end")
    assert "You are signed out everywhere." in page.text
    assert here.cookie is None
    assert ENDED in there.get("/", on=2).text


@pytest.mark.parametrize("session_id", ["unknown", "x" * 5000, "..", "%00", "' OR 1=1 --"])
def test_a_device_that_is_not_there_is_not_found(pair: tuple[Browser, Browser], session_id: str) -> None:
    response = pair[0].post(f"/devices/{session_id}/end")
    assert response.status_code == 404
    assert "no such device in your list any more" in response.text


def test_L14_somebody_elses_device_is_not_found_and_stays(demo: Processes, pair: tuple[Browser, Browser]) -> None:
    here, there = pair
    stranger = demo.browser()
    stranger.sign_up("bob@example.com", name="Bob")
    for action in ends_of(here.get("/devices").text).values():
        assert stranger.post(action).status_code == 404
    assert "Hello, Ada" in here.get("/").text
    assert "Hello, Ada" in there.get("/").text
    assert "Safari" not in stranger.get("/devices").text


@pytest.mark.parametrize("which", ["one", "others", "all"])
def test_L14_A1_ending_devices_needs_a_recent_password(
    demo: Processes, pair: tuple[Browser, Browser], which: str
) -> None:
    """Activity does not count; after the password the button works, and the token is a new one."""
    here, there = pair
    action = f"/devices/{which}/end" if which != "one" else ends_of(here.get("/devices").text)["Safari on iPhone"]
    demo.clock.advance(timedelta(minutes=15, seconds=1))
    here.get("/")
    response = here.post(action)
    assert (response.status_code, response.headers["location"]) == (303, "/confirm?next=%2Fdevices")
    assert "Hello, Ada" in there.get("/", on=2).text

    old = here.cookie
    response = here.post("/confirm", {"password": PASSWORD, "next": "/devices"})
    assert (response.status_code, response.headers["location"]) == (303, "/devices")
    assert here.cookie not in {old, None}
    assert here.post(action).headers["location"].startswith(("/devices?said=", "/?said="))
    assert ENDED in there.get("/", on=2).text


def test_A1_a_password_is_recent_for_fifteen_minutes(demo: Processes, pair: tuple[Browser, Browser]) -> None:
    demo.clock.advance(timedelta(minutes=15))
    assert pair[0].post("/devices/others/end").headers["location"] == "/devices?said=others"


@pytest.mark.parametrize("password", ["", "wrong", "a" * 5000])
def test_A1_a_wrong_password_confirms_nothing(demo: Processes, pair: tuple[Browser, Browser], password: str) -> None:
    here, there = pair
    demo.clock.advance(timedelta(hours=1))
    cookie = here.cookie
    response = here.post("/confirm", {"password": password, "next": "/devices"})
    assert response.status_code == 422
    assert 'aria-describedby="password-error"' in response.text
    assert 'name="next" value="/devices"' in response.text
    assert here.cookie == cookie
    assert here.post("/devices/all/end").headers["location"].startswith("/confirm")
    assert "Hello, Ada" in there.get("/").text


def test_A1_deleting_the_account_needs_a_recent_password(demo: Processes, pair: tuple[Browser, Browser]) -> None:
    demo.clock.advance(timedelta(hours=1))
    for send in (pair[0].get, pair[0].post):
        assert send("/account/delete").headers["location"] == "/confirm?next=%2Faccount%2Fdelete"
    assert "Hello, Ada" in pair[0].get("/").text


def test_L3_a_session_that_ran_out_is_told_apart_from_one_that_was_ended(demo: Processes) -> None:
    browser = demo.browser()
    browser.sign_up("ada@example.com")
    demo.clock.advance(timedelta(days=8))
    response = browser.get("/devices")
    assert response.status_code == 401
    assert "Its session has run out." in response.text


def test_confirming_without_a_session_leads_to_sign_in(demo: Processes) -> None:
    browser = demo.browser()
    assert browser.get("/confirm?next=/devices").headers["location"].startswith("/sign-in?next=")
    assert browser.post("/confirm", {"password": PASSWORD}).headers["location"].startswith("/sign-in?next=")

"""What every page says, and what none does."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import Unavailable
from coatcheck.device_page.words import relative
from coatcheck.stores.sqlite import AsyncSQLiteStore
from tests.demo.processes import Browser, pids_of

if TYPE_CHECKING:
    from tests.demo.conftest import Processes

PUBLIC = ["/", "/sign-in", "/sign-up", "/signed-in", "/status", "/nowhere"]
PRIVATE = ["/", "/devices", "/confirm", "/account/delete", "/sign-in", "/sign-up", "/status", "/nowhere"]


@pytest.fixture
def ada(demo: Processes) -> Browser:
    browser = demo.browser()
    browser.sign_up("ada@example.com")
    return browser


@pytest.mark.parametrize("path", PUBLIC)
@pytest.mark.parametrize("process", [1, 2])
def test_each_page_says_which_process_answered(demo: Processes, path: str, process: int) -> None:
    """In its footer, or its heading where it is a card, and in Server-Timing; and that no session was looked up."""
    response = demo.browser().get(path, on=process)
    [pid] = pids_of([response.text])
    assert f'<span class="badge process-{process}">Process {process}</span>' in response.text
    assert re.fullmatch(
        rf'session;desc=none;dur=[\d.]+, process;desc="{process} \(pid {pid}\)"', response.headers["server-timing"]
    )


@pytest.mark.parametrize("path", PRIVATE)
def test_each_page_says_which_tier_answered_and_how_fast(ada: Browser, path: str) -> None:
    """A process that sees a session for the first time looks it up in the store, and later has it in memory."""
    for tier, words in (("store", 'the (?:<b class="tier">)?store'), ("memory", "memory")):
        response = ada.get(path, on=2)
        assert re.search(rf"{words}(?:</b>)?,? in [\d.,]+ µs\.", response.text)
        assert response.headers["server-timing"].startswith(f"session;desc={tier};dur=")


def test_the_time_told_is_that_of_the_look_up(ada: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that moves only while the store is read."""
    passed = 0
    read = AsyncSQLiteStore.read

    async def slow(*arguments: Any, **keywords: Any) -> Any:
        nonlocal passed
        passed += 5_000_000
        return await read(*arguments, **keywords)

    monkeypatch.setattr(AsyncSQLiteStore, "read", slow)
    monkeypatch.setattr("coatcheck.demo.answered.perf_counter_ns", lambda: passed)
    response = ada.get("/devices", on=2)
    assert "in 5,000 µs." in response.text
    assert response.headers["server-timing"].startswith("session;desc=store;dur=5.0000, ")


@pytest.mark.parametrize("path", ["/", "/devices", "/sign-in?next=/devices", "/nowhere?a=1&b=2"])
def test_each_page_links_to_itself_on_the_other_process(ada: Browser, path: str) -> None:
    expected = path.replace("next=/", "next=%2F").replace("&", "&amp;")
    assert f'href="https://127.0.0.1:8001{expected}">This page on process 2' in ada.get(path).text
    assert f'href="https://127.0.0.1:8000{expected}">This page on process 1' in ada.get(path, on=2).text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8443", "localhost", "bad host", "a/b:8000", "[::1:8000", ""])
def test_no_link_is_made_of_a_host_that_does_not_lead_to_the_other_process(ada: Browser, host: str) -> None:
    """Behind a proxy, or with a forged Host, the other process's port is only named."""
    response = ada.get("/devices", headers={"host": host})
    assert response.status_code == 200
    assert "This page on process" not in response.text
    assert "Process 2 listens on port 8001." in response.text
    assert "frame-src 'self';" in response.headers["content-security-policy"]


def test_T10_no_page_has_a_token_in_it(demo: Processes, ada: Browser) -> None:
    """Neither this browser's nor the other's, on any page that the demo has; the cookie is the only place."""
    other = demo.browser()
    other.sign_in("ada@example.com", on=2)
    tokens = {ada.cookie, other.cookie}
    for path in PRIVATE:
        ada.get(path)
        other.get(path, on=2)
    ada.post("/confirm", {"password": "wrong"})
    ada.submit("/devices/others/end")
    tokens.add(ada.cookie)
    other.get("/", on=2)
    assert None not in tokens
    pages = ada.pages + other.pages
    assert len(pages) > 20
    assert not any(token in page for token in tokens for page in pages if token)


@pytest.mark.parametrize("path", [*PRIVATE, "/static/demo.css"])
def test_each_answer_has_the_headers_that_protect_a_page(ada: Browser, path: str) -> None:
    headers = ada.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    framed = "'self' https://127.0.0.1:8001" if path == "/status" else "'none'"
    assert policy.endswith(f"frame-ancestors {framed}")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_refused_requests_have_these_headers_too(ada: Browser) -> None:
    response = ada.post("/sign-out", headers={"sec-fetch-site": "cross-site"})
    assert response.status_code == 403
    assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("path", PRIVATE)
def test_H1_each_page_depends_on_the_cookie_and_is_not_stored(ada: Browser, path: str) -> None:
    for browser in (ada, Browser(ada._clients, "")):
        headers = browser.get(path).headers
        assert headers["vary"] == "Cookie"
        if headers.get("content-type"):
            assert headers["cache-control"] == "no-store"


def test_H2_the_answer_that_brings_the_cookie_is_not_stored(demo: Processes) -> None:
    form = {"name": "Ada", "email": "ada@example.com", "password": "correct horse"}
    response = demo.browser().post("/sign-up", form)
    assert "set-cookie" in response.headers
    assert response.headers["cache-control"] == "no-store"


def test_pages_need_no_script(ada: Browser) -> None:
    assert not any(re.search(r"<script|\son\w+=|javascript:", ada.get(path).text) for path in PRIVATE)


def test_an_address_of_a_form_alone_is_told_apart_from_one_that_is_not_there(ada: Browser) -> None:
    response = ada.get("/devices/others/end")
    assert response.status_code == 405
    assert "shows nothing by itself" in response.text


def test_the_ended_page_lasts_until_the_cookie_is_dropped(demo: Processes, ada: Browser) -> None:
    """Both processes can be asked; then the browser is a stranger's again."""
    copy = demo.browser()
    copy.cookie = ada.cookie
    ada.submit("/sign-out")
    for process in (1, 2, 1):
        assert "and it is worth nothing" in copy.get("/", on=process).text
        assert "This session has ended" in copy.get("/status", on=process).text
    assert copy.get("/signed-in").headers["location"] == "/"
    copy.submit("/sign-out")
    assert "Sign in twice." in copy.get("/").text


@pytest.mark.parametrize("value", ["x", "x" * 43, "x" * 5000, '"quoted"', "%00"])
def test_T7_a_cookie_that_was_never_issued_signs_nobody_in(demo: Processes, value: str) -> None:
    browser = demo.browser()
    browser.cookie = value
    assert browser.get("/").status_code in {200, 401}
    assert browser.get("/devices").status_code in {303, 401}


def test_S9_when_the_store_does_not_answer_nobody_is_signed_out(
    demo: Processes, ada: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says so with 503 and Retry-After, the cookie stays, and works afterwards."""

    async def fail(*_: Any, **__: Any) -> Any:
        raise Unavailable("the disk is gone", retry_after=7)

    cookie = ada.cookie
    with monkeypatch.context() as fault:
        fault.setattr(AsyncSQLiteStore, "poll", fail)
        fault.setattr(AsyncSQLiteStore, "read", fail)
        for path in ("/", "/devices", "/status", "/signed-in"):
            response = ada.get(path, on=2)
            assert response.status_code == 503
            assert response.headers["retry-after"] == "7"
            assert "set-cookie" not in response.headers
            assert "<h1>Sessions are unavailable</h1>" in response.text
            assert "the disk is gone" not in response.text
    assert ada.cookie == cookie
    assert "Hello, Ada" in ada.get("/", on=2).text


def test_S9_when_the_users_table_does_not_answer_nothing_breaks(
    demo: Processes, ada: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo.apps[0].state.demo.users, "_path", "/nowhere/demo.sqlite3")
    assert ada.post("/confirm", {"password": "correct horse"}).status_code == 503
    assert ada.sign_in("ada@example.com").status_code == 503
    assert "Hello, Ada" in ada.get("/").text


@pytest.mark.parametrize(
    "host", ["demo.example:8000", "192.0.2.7:8000", "[2001:db8::1]:8000", "localhost.evil.example:8000", "10.0.0.1"]
)
def test_plain_http_to_another_host_says_why_the_cookie_is_refused(ada: Browser, host: str) -> None:
    """And what to do: each page does, before anybody tries in vain."""
    client = ada._clients[0]
    for path in ("/", "/sign-in", "/sign-up", "/signed-in"):
        page = client.get(f"http://127.0.0.1:8000{path}", headers={"host": host}).text
        assert "You cannot sign in at this address" in page
        assert "ssh -L 8000:127.0.0.1:8000 -L 8001:127.0.0.1:8001" in page
        assert "TLS proxy" in page


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000",
        "http://127.8.9.1:8000",
        "http://localhost:8000",
        "http://app.localhost:8000",
        "http://[::1]:8000",
        "https://demo.example",
    ],
)
def test_where_browsers_keep_the_cookie_nothing_is_said(ada: Browser, url: str) -> None:
    assert "You cannot sign in" not in ada._clients[0].get(f"{url}/sign-in").text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (-4.4, "just now"),
        (-5, "5 seconds ago"),
        (-59, "59 seconds ago"),
        (-60, "1 minute ago"),
        (-3600, "1 hour ago"),
        (-86_400 * 3, "3 days ago"),
        (86_400 * 7 - 1, "in 7 days"),
        (90, "in 2 minutes"),
    ],
)
def test_moments_are_told_by_their_distance(seconds: float, words: str) -> None:
    assert relative(timedelta(seconds=seconds)) == words

"""The list of sessions, and what every page says of what others have written."""

from __future__ import annotations

import re
import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from starlette.requests import Request

from coatcheck import Filter, UsersTable
from coatcheck.console import listing
from coatcheck.console.asked import ACTIVE, BEGUN, WHO, asked_in
from coatcheck.console.forms import NoForm, fields_of, query_of
from coatcheck.testing.clock import START
from tests.console.desk import begin, desk, elements, heading, rows, text_of, words_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.console.desk import Desk

pytestmark = pytest.mark.anyio

HOSTILE = [
    ("1", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>@example.com'),
    ("2", "\u202eAda\u202d' onfocus='alert(1)", None),
    ("3", "محمد بن موسى", "m@example.org"),
    ("&amp;", "<b>" + "W" * 500, "</bdi></table><form action=https://evil.example>"),
]
AGENT = "Mozilla/5.0 (<script>alert(2)</script>; \"' onload=alert(3)) Firefox/143.0"
POLICY = {
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    "connect-src 'self'",
    "img-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}


@pytest.fixture
async def people(cheap_hashes: None, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Desk]:
    """Return a console beside a users table with names that nobody should have."""
    with sqlite3.connect(tmp_path / "site.db") as database:
        database.execute("CREATE TABLE users (id TEXT PRIMARY KEY, name TEXT, email TEXT, role TEXT)")
        database.executemany("INSERT INTO users VALUES (?, ?, ?, NULL)", HOSTILE)
    database.close()
    async with desk(tmp_path, users=UsersTable()) as made:
        yield made


async def test_the_list_says_whose_they_are_on_what_where_and_when_latest_first(at: Desk) -> None:
    firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0"
    await begin(at, "ada", ip="10.0.0.7", user_agent=firefox)
    at.clock.advance(timedelta(hours=3))
    await begin(at, "grace", ip="2001:db8::1", remember=True, actor_id="support")
    answer = await (await at.operator()).page()
    assert rows(answer) == [
        "grace , Unknown device acted for by support Unknown device Remembered Internet 2001:db8::1 just now just now",
        "ada , Firefox 143 on Windows Firefox 143 on Windows Private network 10.0.0.7 3 hours ago 3 hours ago",
    ]
    assert "2 sessions of users, latest activity first." in words_of(answer)


async def test_a_name_that_nobody_can_see_is_none(cheap_hashes: None, tmp_path: Path) -> None:
    """Otherwise there were nothing to read, and nothing to open the session by."""
    with sqlite3.connect(tmp_path / "site.db") as database:
        database.execute("CREATE TABLE users (id TEXT PRIMARY KEY, name TEXT, email TEXT, role TEXT)")
        names = [("1", " \t", "1@example.org"), ("2", "\u200b", ""), ("3", "", None)]
        database.executemany("INSERT INTO users VALUES (?, ?, ?, NULL)", names)
    database.close()
    async with desk(tmp_path, users=UsersTable()) as at:
        await begin(at, "1", "2", "3")
        page = text_of(await (await at.operator()).page())
        links = re.findall(r'<a href="/console/sessions/[^"]*"><bdi>([^<]*)</bdi>', page)
        assert links == ["3", "2", "1@example.org"]


async def test_an_error_of_somebody_who_is_signed_in_leaves_them_the_way_to_other_pages(at: Desk) -> None:
    """And an outage the way to the same page, once more; after a form to the list."""
    browser = await at.operator()
    assert "Audit trail" in text_of(await browser.page(active="x"))
    for store, nav in (("search", True), ("read", False)):
        at.store.fail(store)
        answer = text_of(await browser.page(q="a&b"))
        assert 'href="/console?q=a%26b">Try again</a>' in answer
        assert ("Audit trail" in answer) is nav
        at.store.heal()
    at.store.fail("read")
    assert 'href="/console">Try again</a>' in text_of(await browser.send("/console/end"))


async def test_a_place_can_be_told_by_the_application(cheap_hashes: None, tmp_path: Path) -> None:
    async with desk(tmp_path, place={"203.0.113.7": "<Berlin>"}.get) as at:
        await begin(at, "ada", ip="203.0.113.7")
        await begin(at, "grace", ip="127.0.0.1")
        page = await (await at.operator()).page()
        assert "&lt;Berlin&gt;" in text_of(page)
        assert "This machine 127.0.0.1" in rows(page)[0]


async def test_pages_have_fifty_and_every_session_once(at: Desk) -> None:
    await begin(at, *(f"user-{number}" for number in range(120)))
    browser, found, address = await at.operator(), list[str](), "/console"
    sizes: list[int] = []
    while address:
        page = await browser.get(address)
        sizes.append(len(rows(page)))
        found += [row.partition(" ")[0] for row in rows(page)]
        following = re.search(r'rel="next" href="([^"]*)"', text_of(page))
        address = following[1] if following else ""
    assert sizes == [50, 50, 20]
    assert found == [f"user-{number}" for number in reversed(range(120))]


async def test_filters_narrow_the_list_down_and_are_said_in_words(people: Desk) -> None:
    await begin(people, "1", "2", "3", None)
    people.clock.advance(timedelta(days=2))
    await begin(people, "3", ip="203.0.113.7")
    browser = await people.operator()
    for query, count, words in (
        ({}, 4, "4 sessions of users, latest"),
        ({"q": "example.org"}, 2, "containing “example.org”"),
        ({"q": "203.0.113"}, 1, "containing"),
        ({"user": "3"}, 2, "of the user 3"),
        ({"active": "1d"}, 1, "active in the last day"),
        ({"active": "not-1d"}, 3, "active not for a day"),
        ({"begun": "1h", "user": "3"}, 1, "began in the last hour"),
        ({"who": "visitors"}, 1, "1 session of visitors who have not signed in"),
        ({"who": "all"}, 5, "5 sessions, latest"),
        ({"q": "nobody"}, 0, "No session fits what you asked for."),
    ):
        page = await browser.page(**query)
        assert len(rows(page)) == count, query
        assert words in words_of(page), query


@pytest.mark.parametrize(
    "query",
    [
        "active=x",
        "begun=x",
        "who=x",
        "q=" + "x" * 101,
        "q=%00",
        "after=x",
        "chosen=1" + "".join(f"&id={number}" for number in range(101)),
        "q=%ff",
    ],
)
async def test_what_cannot_be_asked_for_is_refused(at: Desk, query: str) -> None:
    answer = await (await at.operator()).get(f"/console?{query}")
    assert (answer.status, heading(answer)) == (400, "This is not possible")


async def test_all_of_a_page_can_be_chosen_without_a_script(at: Desk) -> None:
    await begin(at, "ada", "grace")
    browser = await at.operator()
    assert " checked" not in text_of(await browser.page())
    assert text_of(await browser.page(choose="page")).count(" checked") == 2


@pytest.mark.parametrize("path", ["", "/end?who=all&everyone=1", "/sessions/{id}", "/numbers", "/trail"])
async def test_H1_X8_every_page_escapes_what_others_have_written_and_is_kept_by_nobody(people: Desk, path: str) -> None:
    """And there is no style and no script in it, which the policy would not let be."""
    await begin(people, "1", "2", "3", "&amp;", user_agent=AGENT)
    session = (await people.sessions.list_active())[-1]
    browser = await people.operator()
    answer = await browser.page(path.format(id=session.id))
    assert answer.status == 200
    for poison in ("<script>alert", "<img", "<b>W", "</bdi></table>", "<form action=https"):
        assert poison not in text_of(answer)
    for tag, attributes in elements(answer):
        assert tag not in {"style", "img", "iframe", "base", "object"}
        assert not any(name == "style" or name.startswith("on") for name in attributes)
        if tag == "script":
            assert re.fullmatch(r"/console/console\.js\?v=[0-9a-f]{12}", attributes["src"] or "")
    assert set((answer.header("content-security-policy") or "").split("; ")) == POLICY
    assert answer.header("cache-control") == "no-store"
    assert answer.header("x-frame-options") == "DENY"
    assert answer.header("referrer-policy") == "same-origin"
    assert answer.vary() == {"cookie"}


async def test_a_session_is_shown_without_the_values_of_its_data(at: Desk) -> None:
    await begin(at, "ada", data={"basket": "s3cret"}, methods=("pwd", "otp"), ip="::1")
    [session] = await at.sessions.list_active()
    answer = await (await at.operator()).page(f"/sessions/{session.id}")
    words = words_of(answer)
    assert "s3cret" not in text_of(answer)
    for said in (
        "Session of ada",
        "Data basket",
        "by pwd, otp",
        f"Public id {session.id}",
        "Ends if not used in 7 days",
    ):
        assert said in words, words
    assert (await (await at.operator()).page("/sessions/nobody")).status == 404


async def test_I4_an_outage_is_a_page_of_its_own_and_never_an_empty_list(at: Desk) -> None:
    """Nobody is signed out by it, and nothing is said to be not there."""
    await begin(at, "ada")
    browser = await at.operator()
    for path in ("", "/numbers", "/end?everyone=1", "/sessions/x", "/trail"):
        at.store.fail("read", "search", "count_matching", "count_users_matching", "find")
        answer = await browser.page(path)
        assert (answer.status, heading(answer)) == (503, "Nothing is known at the moment")
        assert answer.header("retry-after")
        assert answer.all("set-cookie") == []
        at.store.heal()
    at.store.fail("search")
    assert (await browser.page()).status == 503
    at.store.heal()
    assert len(rows(await browser.page())) == 1


async def test_a_page_that_is_not_there_is_said_in_the_frame_of_the_others(at: Desk) -> None:
    """To whoever may know; and a slash too much does no harm."""
    stranger, browser = at.browser(), await at.operator()
    assert (await stranger.page("/elsewhere")).status == 303
    for path in ("/elsewhere", "/sign-out", "/sessions/x/y"):
        answer = await browser.page(path)
        assert (answer.status, heading(answer)) == (404, "Not here")
    answer = await browser.page("/")
    assert (answer.status, answer.header("location")) == (303, "/console")


async def test_of_very_many_the_list_says_no_more_than_that(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "COUNTED", 3)
    browser = await at.operator()
    for words, everything in (
        ("2 sessions of users, latest", "End all 2 sessions…"),
        ("3 or more sessions of users, latest", "End all sessions…"),
        ("3 or more sessions of users, latest", "End all sessions…"),
    ):
        await begin(at, "ada", *([] if await at.sessions.list_active() else ["ada"]))
        page = words_of(await browser.page())
        assert words in page
        assert everything in page
    assert "3 or more sessions of users fit what you asked for" in words_of(await browser.page(user="ada"))
    assert heading(await browser.page("/end", user="ada")) == "You are about to end 4 sessions of 1 user"


# --- what is asked for


def test_the_filter_of_a_query_is_that_of_its_own_query_again() -> None:
    for active in ("", *ACTIVE):
        for begun in ("", *BEGUN):
            for who in WHO:
                asked = asked_in(fields_of(f"q=a%26b&user=%3C&active={active}&begun={begun}&who={who}"), START)
                again = asked_in(fields_of(asked.query()[1:]), START + timedelta(hours=5))
                assert again.filter() == asked.filter()


def test_no_filter_is_one_that_gives_nothing() -> None:
    """Such a filter ends whatever the store has, also what is no visitor's session."""
    asked = asked_in(fields_of("who=all"), START)
    assert asked.everyone
    assert not asked.filter().everything
    assert asked.filter().created_since != Filter().created_since


@pytest.mark.parametrize("at", ["9000000000000000", "0" * 20 + "9" * 30, "0" * 20 + "9" * 5000, "-1", "٣"])
def test_a_moment_of_the_future_is_none(at: str) -> None:
    """Nor is a number that is no moment."""
    asked = asked_in(fields_of(f"active=1h&at={at}"), START)
    assert asked.at == START


def test_T7_octets_that_no_browser_sends_are_no_query() -> None:
    with pytest.raises(NoForm):
        query_of(Request({"type": "http", "query_string": b"q=\xff", "headers": []}))

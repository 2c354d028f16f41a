"""The list of sessions, and how operators end some of them."""

from __future__ import annotations

import re
import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import Filter, Unavailable, UsersTable
from coatcheck.console.asked import ACTIVE, BEGUN, WHO, asked_in
from coatcheck.console.forms import fields_of
from coatcheck.testing.clock import START
from tests.console.desk import desk, elements, form_in, heading, text_of, words_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.console.desk import Desk, Sitting
    from tests.web.browser import Answer

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


async def begin(at: Desk, *users: str | None, **how: Any) -> list[str]:
    """Begin sessions, a second apart, and return their tokens."""
    tokens: list[str] = []
    for user in users:
        at.clock.advance(timedelta(seconds=1))
        tokens.append((await at.sessions.create(user, **how)).token.reveal())
    return tokens


async def alive(at: Desk, tokens: list[str]) -> list[bool]:
    """Tell which of these are signed in."""
    return [bool(await at.sessions.get(token)) for token in tokens]


def rows(answer: Answer) -> list[str]:
    """Return what the rows of a page's table say."""
    found = re.findall(
        r"<tr[^>]*>(.*?)</tr>", text_of(answer).partition("<tbody")[2].partition("</tbody>")[0], re.DOTALL
    )
    return [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in found]


async def chosen(browser: Sitting, *ids: str) -> Answer:
    """Choose sessions in the list, and press the button below it."""
    return await browser.get("/console/end?chosen=1" + "".join(f"&id={each}" for each in ids))


# --- looking


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
        at.store.fail("read", "search", "count_matching", "find")
        answer = await browser.page(path)
        assert (answer.status, heading(answer)) == (503, "Nothing is known at the moment")
        assert answer.header("retry-after")
        assert answer.all("set-cookie") == []
        at.store.heal()
    at.store.fail("search")
    assert (await browser.page()).status == 503
    at.store.heal()
    assert len(rows(await browser.page())) == 1


# --- ending


async def test_L13_one_session_ends_and_no_other(at: Desk) -> None:
    tokens = await begin(at, "ada", "ada", "grace")
    first = await at.sessions.get(tokens[0])
    assert first
    browser = await at.operator()
    preview = await chosen(browser, first.id)
    assert heading(preview) == "You are about to end 1 session of 1 user"
    answer = await browser.submit(preview)
    assert "1 session has ended." in words_of(answer)
    assert await alive(at, tokens) == [False, True, True]


async def test_L13_the_preview_the_list_and_the_end_mean_the_same_sessions(at: Desk) -> None:
    """Also where the filter is relative to the time, which goes on in between."""
    tokens = await begin(at, *(f"user-{number % 4}" for number in range(12)))
    at.clock.advance(timedelta(minutes=14, seconds=40))
    tokens += await begin(at, "ada", "ada")
    browser = await at.operator()
    page = await browser.page(active="15m")
    assert len(rows(page)) == 14
    address = re.search(r'href="(/console/end\?[^"]*)"', text_of(page))
    assert address
    at.clock.advance(timedelta(minutes=2))
    preview = await browser.get(address[1].replace("&amp;", "&"))
    assert heading(preview) == "You are about to end 14 sessions of 5 users"
    assert len(rows(preview)) == 5
    assert "And 9 more sessions." in words_of(preview)
    at.clock.advance(timedelta(minutes=2))
    answer = await browser.submit(preview)
    assert "14 sessions have ended. No worker accepts them any more." in words_of(answer)
    assert not any(await alive(at, tokens))


async def test_L13_all_of_a_user_end(at: Desk) -> None:
    tokens = await begin(at, "ada", "ada", "grace")
    browser = await at.operator()
    answer = await browser.submit(await browser.page("/end", user="ada"))
    assert "2 sessions have ended." in words_of(answer)
    assert await alive(at, tokens) == [False, False, True]


async def test_L13_everyone_ends_after_a_word_was_typed_but_operators_and_visitors(at: Desk) -> None:
    tokens = await begin(at, "ada", "grace", None)
    browser = await at.operator()
    preview = await browser.page("/end", everyone="1")
    assert heading(preview) == "You are about to end 2 sessions of 2 users"
    refused = await browser.submit(preview, word="")
    assert (refused.status, "Type everyone, and nothing else." in words_of(refused)) == (422, True)
    assert all(await alive(at, tokens))
    answer = await browser.submit(refused, word=" Everyone ")
    assert "2 sessions have ended." in words_of(answer)
    assert await alive(at, tokens) == [False, False, True]
    answer = await browser.submit(await browser.page("/end", everyone="1", who="all"), word="everyone")
    assert "1 session has ended." in words_of(answer)
    assert await alive(at, tokens) == [False] * 3
    assert (await browser.page()).status == 200


@pytest.mark.parametrize("query", ["", "?chosen=1", "?who=all", "?chosen=1&id=gone"])
async def test_nothing_chosen_is_not_everyone(at: Desk, query: str) -> None:
    tokens = await begin(at, "ada")
    browser = await at.operator()
    answer = await browser.get(f"/console/end{query}")
    assert "End 1 session" not in text_of(answer)
    _, fields = form_in(await browser.page("/confirm"))
    token = dict(fields)["form"]
    sent = await browser.send(
        "/console/end", [("form", token), *fields_of(query[1:]).multi_items(), ("expected", "1"), ("word", "everyone")]
    )
    assert sent.status in {400, 409}
    assert await alive(at, tokens) == [True]


async def test_a_number_that_has_changed_is_said(at: Desk) -> None:
    tokens = await begin(at, "ada", "ada", "ada")
    browser = await at.operator()
    preview = await browser.page("/end", user="ada")
    await at.sessions.revoke(tokens.pop())
    answer = await browser.submit(preview)
    assert "2 sessions have ended. The preview said 3, but some had ended already." in words_of(answer)
    await begin(at, "ada")
    preview = await browser.page("/end", user="ada")
    await begin(at, "ada")
    answer = await browser.submit(preview)
    assert "2 sessions have ended. The preview said 1, but others had begun meanwhile." in words_of(answer)


async def test_many_more_than_the_preview_has_said_do_not_end(at: Desk) -> None:
    tokens = await begin(at, "ada")
    browser = await at.operator()
    preview = await browser.page("/end", user="ada")
    tokens += await begin(at, *["ada"] * 11)
    again = await browser.submit(preview)
    assert again.status == 409
    assert "When you looked there was 1, now there are 12. Nothing has ended" in words_of(again)
    assert all(await alive(at, tokens))
    assert "12 sessions have ended." in words_of(await browser.submit(again))


async def test_A1_what_ends_sessions_asks_for_a_password_of_the_last_ten_minutes(at: Desk) -> None:
    """Being active does not make it younger; and from the page that asks for it the way leads back to the preview."""
    tokens = await begin(at, "ada")
    browser = await at.operator()
    early = await browser.page("/end", user="ada")
    for _ in range(11):
        at.clock.advance(timedelta(minutes=1))
        assert (await browser.page()).status == 200
    late = await browser.submit(early)
    assert (late.status, late.header("location")) == (303, "/console/confirm?next=%2Fconsole")
    answer = await browser.page("/end", user="ada")
    assert (answer.status, answer.header("location")) == (303, "/console/confirm?next=%2Fconsole%2Fend%3Fuser%3Dada")
    asked = await browser.get(answer.header("location") or "")
    wrong = await browser.submit(asked, password="wrong")
    assert (wrong.status, "The password is wrong." in words_of(wrong)) == (422, True)
    assert all(await alive(at, tokens))
    right = await browser.submit(wrong, password="correct horse battery")
    assert (right.status, right.header("location")) == (303, "/console/end?user=ada")
    # A form from before is not good any more.
    assert (await browser.submit(early)).status == 403
    assert "1 session has ended." in words_of(await browser.submit(await browser.get("/console/end?user=ada")))
    assert (await at.done())[-4:-2] == [("console.confirm_failed", "ada"), ("console.confirm", "ada")]


async def test_what_was_done_is_in_the_trail_with_what_was_meant_and_how_many_it_were(at: Desk) -> None:
    await begin(at, "<ada>", "<ada>", "grace")
    browser = await at.operator("grace")
    await browser.submit(await browser.page("/end", user="<ada>"))
    assert await at.done() == [("console.sign_in", "grace"), ("console.ending", "grace"), ("console.ended", "grace")]
    page = await browser.page("/trail")
    assert rows(page)[0].startswith("Ended sessions grace just now 192.0.2.1")
    assert "2 sessions of the user &lt;ada&gt;" in rows(page)[0]
    assert len(rows(await browser.page("/trail", user_id="<ada>"))) == 2
    assert "No entry fits" in words_of(await browser.page("/trail", actor="nobody"))


async def test_nothing_ends_that_could_not_be_noted(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = await begin(at, "ada")
    browser = await at.operator()
    preview = await browser.page("/end", user="ada")

    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable("the trail was told to fail")

    monkeypatch.setattr(at.console._trail, "record", away)
    assert (await browser.submit(preview)).status == 503
    assert await alive(at, tokens) == [True]


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
    assert asked.filter().active_since != Filter().active_since


def test_a_moment_of_the_future_is_none() -> None:
    asked = asked_in(fields_of("active=1h&at=9000000000000000"), START)
    assert asked.at == START

"""Operators sign in: by a cookie of their own, with a limited number of attempts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette

from coatcheck import AsyncSessions, AsyncSessionSearch, ConfigurationError, NotSignedIn
from coatcheck.console import console_routes, own_door
from coatcheck.core.passwords import PasswordHash
from coatcheck.stores.sqlite import AsyncSQLiteStore
from tests.console.desk import COOKIE, PASSWORD, Sitting, cheap, desk, form_in, heading, text_of, words_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.console.desk import Desk

pytestmark = pytest.mark.anyio


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by each password that is computed."""
    computed: list[str] = []
    fits = PasswordHash.fits

    def noted(self: PasswordHash, typed: str) -> bool:
        computed.append(typed)
        return fits(self, typed)

    monkeypatch.setattr(PasswordHash, "fits", noted)
    return computed


async def is_in(browser: Sitting) -> bool:
    """Tell whether somebody is signed in to the console."""
    return (await browser.page()).status == 200


async def test_C1_C2_H1_an_operator_signs_in_by_a_cookie_that_goes_nowhere_else(at: Desk) -> None:
    browser = at.browser()
    answer = await browser.page("/trail")
    assert (answer.status, answer.header("location")) == (303, "/console/sign-in?next=%2Fconsole%2Ftrail")
    assert (answer.header("cache-control"), answer.vary()) == ("no-store", {"cookie"})
    shown = await browser.get(answer.header("location") or "")
    answer = await browser.submit(shown, name="ada", password=PASSWORD)
    assert (answer.status, answer.header("location")) == (303, "/console/trail")
    cookie = answer.header("set-cookie") or ""
    assert cookie.partition("=")[0] == COOKIE
    assert set(cookie.split("; ")[1:]) == {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"}
    assert await is_in(browser)
    assert await at.done() == [("console.sign_in", "ada")]


async def test_C12_no_visitors_cookie_opens_the_console_and_no_operators_the_site(at: Desk) -> None:
    operator = await at.operator()
    assert await at.sessions.get(operator.cookies[COOKIE]) is NotSignedIn.UNKNOWN
    for user in ("ada", None):
        browser = at.browser()
        browser.cookies[COOKIE] = (await at.sessions.create(user, data={"operator": "ada"})).token.reveal()
        assert not await is_in(browser)


async def test_C12_operators_and_their_attempts_are_in_no_list_of_sessions(at: Desk) -> None:
    await at.operator()
    await at.browser().sign_in(password="wrong")
    search = AsyncSessionSearch(at.sessions)
    assert await at.sessions.list_active() == []
    assert (await search.find()).sessions == []
    assert await search.count() == 0


async def test_L1_signing_in_and_proving_it_again_kill_the_cookie_there_was(at: Desk) -> None:
    browser = await at.operator()
    for again in (browser.sign_in, lambda: confirmed(browser)):
        old = at.browser(cookies=dict(browser.cookies))
        assert (await again()).status == 303
        assert not await is_in(old)
        assert await is_in(browser)


async def confirmed(browser: Sitting, password: str = PASSWORD) -> Any:
    """Give the password once more."""
    return await browser.submit(await browser.page("/confirm"), password=password)


async def test_a_wrong_password_and_an_unknown_name_look_alike_and_cost_the_same(
    at: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One password is computed for each, and nothing tells them apart but the name that was typed."""
    computed = counted(monkeypatch)
    answers = [await at.browser().sign_in(name, "wrong password") for name in ("ada", "eve")]
    assert [answer.status for answer in answers] == [422, 422]
    assert text_of(answers[0]).replace('value="ada"', "") == text_of(answers[1]).replace('value="eve"', "")
    assert computed == ["wrong password"] * 2
    assert (await at.browser().sign_in("eve")).status == 422  # the right password of somebody else
    # What was typed in place of a name may be a password: it is not kept.
    assert await at.done() == [
        ("console.sign_in_failed", "ada"),
        ("console.sign_in_failed", None),
        ("console.sign_in_failed", None),
    ]


async def test_unknown_names_cost_what_known_ones_do_where_those_differ(
    cheap_hashes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the time tells no name apart; and for one name it is the same each time."""
    computed: list[str] = []
    monkeypatch.setattr(PasswordHash, "fits", lambda self, _: computed.append(self.text()))
    operators = (f"ada:{cheap()}", f"grace:{cheap('of another cost')}")
    async with desk(tmp_path, operators=operators, attempts=100) as one:
        for name in [f"name {number}" for number in range(16)] * 2:
            await one.browser().sign_in(name)
    assert set(computed) == {line.partition(":")[2] for line in operators}
    assert computed[:16] == computed[16:]


async def test_attempts_are_limited_exactly_over_all_workers(
    cheap_hashes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 24 at once on two workers three are tried; a right password is refused then, and taken a quarter later."""
    computed = counted(monkeypatch)
    monkeypatch.setattr(own_door, "_MOST_WAITING", 100)
    async with desk(tmp_path, attempts=3) as one:
        store = AsyncSQLiteStore(str(tmp_path / "site.db"), clock=one.clock)
        async with AsyncSessions(store, clock=one.clock) as sessions:
            other = Starlette(routes=console_routes(one.another(sessions, attempts=3)))
            browsers = [Sitting(app) for app in (one.app, other)] * 12
            answers = await asyncio.gather(*(browser.sign_in(password="guess") for browser in browsers))
        assert sorted(answer.status for answer in answers) == [422] * 3 + [429] * 21
        assert len(computed) == 3
        monkeypatch.undo()
        refused = await one.browser().sign_in()
        assert (refused.status, refused.header("retry-after")) == (429, "900")
        assert "too many attempts" in words_of(refused)
        elsewhere = one.browser(address=("198.51.100.7", 1))
        assert (await elsewhere.sign_in()).status == 303
        one.clock.advance(timedelta(minutes=15))
        assert (await one.browser().sign_in()).status == 303


async def test_one_name_can_be_tried_three_times_as_often_from_everywhere(cheap_hashes: None, tmp_path: Path) -> None:
    async with desk(tmp_path, attempts=2) as one:
        networks = [one.browser(address=(f"198.51.100.{number}", 1)) for number in range(7)]
        assert [(await each.sign_in(password="x")).status for each in networks] == [422] * 6 + [429]
        assert (await networks[-1].sign_in("grace")).status == 303


async def test_attempts_that_succeed_count_for_nothing(cheap_hashes: None, tmp_path: Path) -> None:
    async with desk(tmp_path, attempts=1) as one:
        assert [(await one.browser().sign_in()).status for _ in range(3)] == [303] * 3


async def test_no_more_passwords_wait_than_there_is_memory_for(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_door, "_MOST_WAITING", 0)
    answer = await at.browser().sign_in()
    assert (answer.status, answer.header("retry-after")) == (503, "5")
    assert "a few seconds" in words_of(answer)


async def test_L3_L4_operators_sessions_end_after_an_hour_without_use_and_after_a_day(at: Desk) -> None:
    idle, busy = await at.operator(), await at.operator()
    for _ in range(36):
        at.clock.advance(timedelta(minutes=39))
        assert await is_in(busy)
    assert not await is_in(idle)
    at.clock.advance(timedelta(minutes=37))
    assert not await is_in(busy)


async def test_what_the_script_asks_by_itself_keeps_nobody_signed_in(at: Desk) -> None:
    browser = await at.operator()
    for status in (200, 303):
        at.clock.advance(timedelta(minutes=40))
        answer = await browser.request("GET", "/console", headers=[("coatcheck-refresh", "1")])
        assert answer.status == status


async def test_another_password_in_the_settings_ends_what_began_with_the_one_before(
    cheap_hashes: None, tmp_path: Path
) -> None:
    async with desk(tmp_path) as one:
        ada, grace = await one.operator("ada"), await one.operator("grace")
        people = (f"ada:{cheap('another password')}", f"grace:{cheap()}")
        after = Starlette(routes=console_routes(one.another(one.sessions, operators=people)))
        assert [await is_in(Sitting(after, cookies=each.cookies)) for each in (ada, grace)] == [False, True]


async def test_signing_out_ends_the_session_and_takes_back_the_cookie(at: Desk) -> None:
    browser = await at.operator()
    kept = at.browser(cookies=dict(browser.cookies))
    page = text_of(await browser.page())
    token = page.partition('name="form" value="')[2].partition('"')[0]
    answer = await browser.send("/console/sign-out", [("form", token)])
    assert (answer.status, answer.header("location")) == (303, "/console/sign-in")
    assert COOKIE not in browser.cookies
    assert not await is_in(kept)
    assert (await at.done())[-1] == ("console.sign_out", "ada")


@pytest.mark.parametrize(
    "headers",
    [[("sec-fetch-site", "cross-site")], [("origin", "https://evil.example")], []],
    ids=["site", "origin", "none"],
)
async def test_X1_no_other_site_signs_in_confirms_or_ends(at: Desk, headers: list[tuple[str, str]]) -> None:
    browser = await at.operator()
    for path in ("/sign-in", "/confirm", "/end", "/sign-out"):
        answer = await browser.send(f"/console{path}", [("name", "ada"), ("password", PASSWORD)], headers)
        assert (answer.status, heading(answer)) == (403, "Refused")
    assert await at.done() == [("console.sign_in", "ada")]


async def test_X2_a_form_of_somebody_else_is_refused(at: Desk) -> None:
    ada, grace = await at.operator("ada"), await at.operator("grace")
    _, theirs = form_in(await grace.page("/confirm"))
    for fields in (theirs, []):
        for path in ("/confirm", "/end", "/sign-out"):
            answer = await ada.send(f"/console{path}", fields)
            assert (answer.status, heading(answer)) == (403, "This form is too old")
    assert await is_in(ada)


@pytest.mark.parametrize(
    "back",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/elsewhere", "/console.evil", "/consoles", ""],
)
async def test_X5_signing_in_leads_to_no_other_place(at: Desk, back: str) -> None:
    answer = await at.browser().sign_in(next=back)
    assert (answer.status, answer.header("location")) == (303, "/console")


async def test_a_form_that_is_none_or_too_long_is_refused(at: Desk) -> None:
    browser = at.browser()
    for answer in (
        await browser.post("/console/sign-in", json={"name": "ada"}),
        await browser.send("/console/sign-in", [("name", "x" * 40_000)]),
        await browser.send("/console/sign-in", [("id", "x")] * 300),
    ):
        assert (answer.status, heading(answer)) == (400, "This is not possible")


async def test_nobody_could_use_it(at: Desk) -> None:
    with pytest.raises(ConfigurationError, match=r"console operators are missing: .*console-password"):
        at.another(at.sessions, operators=())

"""How operators end sessions: what the preview says ends, and nothing else."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import Unavailable
from coatcheck.console.forms import fields_of
from tests.console.desk import alive, begin, form_in, heading, rows, text_of, words_of
from tests.sqlite.helpers import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.console.desk import Desk, Sitting
    from tests.web.browser import Answer

pytestmark = pytest.mark.anyio


async def chosen(browser: Sitting, *ids: str) -> Answer:
    """Choose sessions in the list, and press the button below it."""
    return await browser.get("/console/end?chosen=1" + "".join(f"&id={each}" for each in ids))


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
    assert sent.status == 403
    assert await alive(at, tokens) == [True]


@pytest.mark.parametrize(
    "forged",
    [
        {"user": "grace"},
        {"user": ""},
        {"user": "", "word": "everyone"},
        {"who": "all"},
        {"q": "a"},
        {"chosen": "1"},
        {"active": "1d", "at": "0"},
        {"expected": "1000"},
    ],
)
async def test_L13_X2_a_form_is_good_for_what_its_preview_has_shown(at: Desk, forged: dict[str, str]) -> None:
    """And for nothing else, whoever changes it: neither other sessions, nor more of them than somebody has seen."""
    tokens = await begin(at, "ada", "grace")
    browser = await at.operator()
    preview = await browser.page("/end", user="ada")
    answer = await browser.submit(preview, **forged)
    assert (answer.status, heading(answer)) == (403, "This form is too old")
    assert await alive(at, tokens) == [True, True]
    assert "1 session has ended." in words_of(await browser.submit(preview))


async def test_a_form_of_somebody_who_was_signed_out_meanwhile_leads_back_to_the_list(at: Desk) -> None:
    """For nothing is sent again after the sign-in, and a preview of nothing is none."""
    await begin(at, "ada")
    browser = await at.operator()
    preview = await browser.page("/end", user="ada")
    at.clock.advance(timedelta(hours=2))
    answer = await browser.submit(preview)
    assert (answer.status, answer.header("location")) == (303, "/console/sign-in?next=%2Fconsole")


async def test_many_sessions_with_long_ids_can_be_chosen(at: Desk, tmp_path: Path) -> None:
    """Ids of an imported table, say, which together are longer than an entry of the trail may be."""
    tokens = await begin(at, *["ada"] * 30)
    run(str(tmp_path / "site.db"), "UPDATE coatcheck_sessions SET id = id || ?", ("x" * 200,))
    browser = await at.operator()
    ids = [session.id for session in await at.sessions.list_active()]
    answer = await browser.submit(await chosen(browser, *ids))
    assert "30 sessions have ended." in words_of(answer)
    assert not any(await alive(at, tokens))


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

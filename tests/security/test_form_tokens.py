"""Tokens in the content of forms (X2): of one session, until the next authentication, and not to be guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from coatcheck import ConfigurationError, FormTokenRejected, FormTokens, Sessions, Token
from coatcheck.starlette import require_session
from tests.web.application import KEY, OLD_KEY, site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

    from coatcheck import Session

FORMS = FormTokens([KEY], deployment="shop")


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    """Return sessions on SQLite."""
    with Sessions(f"sqlite:///{tmp_path}/app.db") as sessions:
        yield sessions


def rejected(forms: FormTokens, session: Session, submitted: str | None) -> bool:
    """Tell whether a token is rejected, with a message that does not hold it."""
    try:
        forms.verify(session, submitted)
    except FormTokenRejected as error:
        assert not submitted or submitted not in str(error)  # noqa: PT017 - the other way is no error at all
        return True
    return False


def test_X2_a_form_token_is_good_for_its_session_only(sessions: Sessions) -> None:
    """Twice and more often; never with another session, of the same user or another."""
    mine, other = sessions.create("ada").session, sessions.create("ada").session
    issued = FORMS.issue(mine)
    assert [rejected(FORMS, mine, issued) for _ in range(2)] == [False, False]
    assert rejected(FORMS, other, issued)


def test_X2_a_form_token_dies_with_the_next_authentication(sessions: Sessions) -> None:
    """Signing in makes another session, and re-authentication another moment; a new token alone changes nothing."""
    visitor = sessions.create(None, data={"cart": []})
    before = FORMS.issue(visitor.session)
    ada = sessions.create("ada", replaces=visitor.token)
    assert rejected(FORMS, ada.session, before)

    shown = FORMS.issue(ada.session)
    renewed = sessions.rotate(ada.token)
    assert renewed
    assert not rejected(FORMS, renewed.session, shown)
    again = sessions.rotate(renewed.token, reauthenticated=True)
    assert again
    assert rejected(FORMS, again.session, shown)


def test_X2_made_up_form_tokens_are_rejected(sessions: Sessions) -> None:
    """Each altered character counts, and so do the session's own token and id."""
    created = sessions.create("ada")
    issued = FORMS.issue(created.session)
    for at, character in enumerate(issued):
        assert rejected(FORMS, created.session, issued[:at] + ("A" if character != "A" else "B") + issued[at + 1 :])
    for made_up in (None, "", "é" * 64, issued + "A", issued[:-1], issued + "\n", created.token.reveal(), "A" * 64):
        assert rejected(FORMS, created.session, made_up)


def test_X2_a_form_token_never_looks_the_same_and_tells_nothing(sessions: Sessions) -> None:
    """What compresses the page cannot be used to guess it, character by character."""
    created = sessions.create("ada")
    issued = {FORMS.issue(created.session) for _ in range(100)}
    assert len({token[:16] for token in issued}) == len({token[-16:] for token in issued}) == 100
    assert not any(created.session.id in token for token in issued)
    assert not any(sessions.get(Token(token)) for token in issued)


def test_S3_the_first_key_makes_form_tokens_and_all_verify(sessions: Sessions) -> None:
    """A key that was dropped verifies nothing; neither does the same key in another deployment."""
    session = sessions.create("ada").session
    old, both, new = FormTokens([OLD_KEY]), FormTokens([KEY, OLD_KEY]), FormTokens([KEY])
    assert not rejected(both, session, old.issue(session))
    assert not rejected(new, session, both.issue(session))
    assert rejected(new, session, old.issue(session))
    assert rejected(FORMS, session, new.issue(session))


@pytest.mark.parametrize("keys", [[], ["changeme"], ["x" * 64]], ids=["none", "short", "repeated"])
def test_S4_form_tokens_refuse_a_bad_key(keys: list[str]) -> None:
    """The message names the setting and holds no key."""
    with pytest.raises(ConfigurationError, match="keys") as refused:
        FormTokens(keys)
    assert not any(key in str(refused.value) for key in keys)


async def form(request: Request) -> Response:
    """Show a form, and take one."""
    session = await require_session(request)
    if request.method == "GET":
        return PlainTextResponse(FORMS.issue(session))
    FORMS.verify(session, request.headers.get("x-csrf-token"))
    return PlainTextResponse("done")


@pytest.mark.anyio
async def test_X2_a_request_without_the_form_token_is_answered_with_403(tmp_path: Path) -> None:
    """As a problem, and whoever is signed in stays so."""
    async with site(tmp_path, routes=[Route("/form", form, methods=["GET", "POST"])]) as it:
        browser, other = it.browser(), it.browser()
        for each in (browser, other):
            await each.post("/sign-in", {"user": "ada"})
        shown = (await browser.get("/form")).body.decode()
        own = ("sec-fetch-site", "same-origin")
        for submitted in ([], [("x-csrf-token", (await other.get("/form")).body.decode())]):
            answer = await browser.request("POST", "/form", headers=[own, *submitted])
            assert (answer.status, answer.json()["title"]) == (403, "Form token rejected")
            assert answer.header("set-cookie") is None
        assert (await browser.request("POST", "/form", headers=[own, ("x-csrf-token", shown)])).body == b"done"

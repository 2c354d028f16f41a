"""The console of `coatcheck serve`: off until the settings name operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck import ConfigurationError, Settings
from coatcheck.cli import main
from coatcheck.serve.application import Served
from tests.console.desk import Sitting, cheap, form_in, text_of, words_of
from tests.serve.asked import asked
from tests.web.browser import Browser

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cheap_hashes")]


def operators() -> str:
    return f"ada:{cheap()},grace:{cheap()}"


async def test_without_operators_there_is_none(tmp_path: Path) -> None:
    async with asked(tmp_path) as gate:
        answer = await Browser(gate.served).get("/console")
        assert answer.status == 404


async def test_it_is_where_the_settings_say_and_knows_the_scheme_of_the_proxy(tmp_path: Path) -> None:
    """By Origin alone, as older browsers send it, which has the scheme that the browser has used."""
    environment = {"COATCHECK_CONSOLE_OPERATORS": operators(), "COATCHECK_CONSOLE_PATH": "/staff/console"}
    async with asked(tmp_path, environment) as gate:
        await gate.token("ada")
        browser = Sitting(gate.served, scheme="http", headers=[("x-forwarded-proto", "https")])
        browser.path = "/staff/console"
        origin = [("origin", "https://testserver")]
        _, fields = form_in(await browser.page("/sign-in"))
        fields = [*fields[:1], ("name", "grace"), ("password", "correct horse battery")]
        assert (await browser.send("/staff/console/sign-in", fields, origin)).status == 303
        assert "1 session of users" in words_of(await browser.page())
        assert (await browser.page("/elsewhere")).status == 404
        assert (await browser.get("/staff/consoles")).status == 404
        answer = await browser.submit(await browser.page("/end", user="ada"))
        assert "1 session has ended." in words_of(answer)
        assert "console.css" in text_of(answer)


def test_what_cannot_be_is_refused_at_the_start(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/gate.db"
    for console, message in (
        ({"path": "/console"}, "console operators are missing"),
        ({"operators": [f"ada:{cheap()}"], "path": "/internal/console"}, "console path='/internal/console'"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            Served(Settings.load(environ={}, store=store, console=console))
    provider = {"kind": "better-auth", "url": "https://auth.example.org"}
    with pytest.raises(ConfigurationError, match="console is not possible with a provider"):
        Served(Settings.load(environ={}, store=store, console={"operators": [f"ada:{cheap()}"]}, provider=provider))


def test_check_says_who_may_use_it_and_shows_no_hash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COATCHECK_STORE", f"sqlite:///{tmp_path}/gate.db")
    monkeypatch.setenv("COATCHECK_CONSOLE_OPERATORS", operators())
    monkeypatch.setenv("COATCHECK_CONSOLE_COOKIE", "console")
    assert main(["migrate"]) == 0
    main(["check"])
    said = capsys.readouterr().out
    assert "ada, grace; each by a password alone" in said
    assert "UNSAFE C1 console.cookie: console:" in said
    assert cheap().rpartition(":")[2] not in said

"""`coatcheck tokens`: an API token is printed once, and never again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from coatcheck import ApiTokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck import Sessions
    from tests.cli.conftest import Result

    Run = Callable[..., Result]

STORE = ("--store", "sqlite:///app.db")
ANN = (*STORE, "--user", "ann")


def test_B9_a_token_is_made_listed_and_ended(run: Run, sessions: Sessions) -> None:
    """The token alone is on standard output, so that a script can take it."""
    made = run("tokens", "create", *ANN, "--name", "CI", "--scope", "mail:read", "--scope", "mail:send")
    token = made.out.strip()
    tokens = ApiTokens(sessions)
    found = tokens.get(token)
    assert found
    assert (made.code, found.scopes) == (0, ("mail:read", "mail:send"))
    assert made.err.startswith(f"{found.id}, until ")
    assert token not in made.err
    listed = run("tokens", "list", *ANN)
    assert token not in listed.out
    assert f"{found.id}  CI    mail:read, mail:send" in listed.out
    (said,) = json.loads(run("tokens", "list", *ANN, "--json").out)
    assert (said["id"], said["name"], said["last_used_at"]) == (found.id, "CI", None)
    assert run("tokens", "revoke", *STORE, "--user", "bob", "--", found.id).code == 1
    ended = run("tokens", "revoke", *ANN, "--", found.id)
    assert (ended.code, ended.out) == (0, "ended 1 token\n")
    assert not tokens.get(token)


def test_B9_all_of_a_users_tokens_end_and_none_of_their_sessions(run: Run, sessions: Sessions) -> None:
    for name in ("one", "two"):
        run("tokens", "create", *ANN, "--name", name)
    session = sessions.create("ann")
    assert run("tokens", "revoke", *ANN).out == "ended 2 tokens\n"
    assert sessions.get(session.token)
    assert run("tokens", "list", *ANN).out.startswith("ID")


def test_what_cannot_be_is_said_in_one_line(run: Run, sessions: Sessions) -> None:
    for wrong, said in (
        (("--name", ""), "name="),
        (("--name", "CI", "--scope", "a b"), "scope 'a b' is not possible"),
        (("--name", "CI", "--prefix", "A"), "prefix='A' is not possible"),
    ):
        result = run("tokens", "create", *ANN, *wrong)
        assert result.code == 2
        assert said in result.err

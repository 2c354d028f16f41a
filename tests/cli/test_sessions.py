"""`coatcheck sessions`: list, show and revoke."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from coatcheck.core.tokens import new_session_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck import Session, Sessions
    from tests.cli.conftest import Result

    Run = Callable[..., Result]

STORE = ("--store", "sqlite:///app.db")
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
NO_SUCH = "coatcheck: there is no live session with this id; `coatcheck sessions list` prints ids\n"


class Terminal(io.StringIO):
    """Standard input that is a terminal, where somebody has typed."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `sessions revoke` on a terminal where somebody types the answer."""

    def asked(typed: str, *which: str) -> Result:
        monkeypatch.setattr(sys, "stdin", Terminal(typed))
        return run("sessions", "revoke", *which, *STORE)

    return asked


def live(sessions: Sessions) -> set[str]:
    return {session.id for session in sessions.list_active()}


# --- list


def test_list_shows_everybodys_sessions(run: Run, signed_in: list[Session]) -> None:
    """One line for each, latest activity first, times in UTC."""
    result = run("sessions", "list", *STORE)
    head, *lines = result.out.splitlines()
    assert (result.code, result.err) == (0, "")
    assert head.split("  ")[0] == "ID"
    assert re.split(r"  +", head) == ["ID", "USER", "DEVICE", "ADDRESS", "CREATED", "LAST SEEN", "EXPIRES"]
    assert [line.split()[0] for line in lines] == [session.id for session in reversed(signed_in)]
    row = re.compile(rf"[\w-]{{22}}  (?:ada|bob|-) +curl 8  192\.0\.2\.1  {TIME}  {TIME}  {TIME}")
    assert all(row.fullmatch(line) for line in lines), lines


def test_list_of_a_user_is_only_theirs(run: Run, signed_in: list[Session]) -> None:
    """--user limits it to one user."""
    out = run("sessions", "list", "--user", "ada", *STORE).out
    assert [line.split()[0] for line in out.splitlines()[1:]] == [signed_in[1].id, signed_in[0].id]


def test_list_stops_at_the_limit(run: Run, signed_in: list[Session]) -> None:
    """--limit says how many."""
    assert len(run("sessions", "list", "--limit", "2", *STORE).out.splitlines()) == 3


def test_list_of_nothing_has_only_its_head(run: Run, sessions: Sessions) -> None:
    """No sessions are no error."""
    result = run("sessions", "list", *STORE)
    assert (result.code, len(result.out.splitlines())) == (0, 1)


def test_list_as_json_is_for_programs(run: Run, signed_in: list[Session]) -> None:
    """--json has everything that is known, and null for what is not."""
    listed = json.loads(run("sessions", "list", "--json", "--user", "bob", *STORE).out)
    bob = signed_in[2]
    assert listed == [
        {
            "id": bob.id,
            "user_id": "bob",
            "user_name": None,
            "device": "curl 8",
            "user_agent": "curl/8.5.0",
            "ip": "192.0.2.1",
            "remember": False,
            "created_at": f"{bob.created_at:%Y-%m-%dT%H:%M:%SZ}",
            "authenticated_at": f"{bob.created_at:%Y-%m-%dT%H:%M:%SZ}",
            "methods": [],
            "acr": None,
            "actor_id": None,
            "last_seen_at": f"{bob.created_at:%Y-%m-%dT%H:%M:%SZ}",
            "idle_expires_at": f"{bob.idle_expires_at:%Y-%m-%dT%H:%M:%SZ}",
            "expires_at": f"{bob.expires_at:%Y-%m-%dT%H:%M:%SZ}",
            "data_keys": [],
        }
    ]


def test_what_a_row_holds_cannot_play_tricks_on_the_terminal(run: Run, sessions: Sessions) -> None:
    """Control characters that somebody wrote into the table are shown as question marks."""
    sessions.create("ada\x1b[2J", ip="192.0.2.1")
    with closing(sqlite3.connect("app.db")) as database, database:
        database.execute("UPDATE coatcheck_sessions SET user_agent = 'x' || char(27) || ']0;owned' || char(7)")
    [session] = sessions.list_active()
    shown = run("sessions", "list", *STORE).out + run("sessions", "show", session.id, *STORE).out
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "ada?[2J" in shown
    assert "x?]0;owned?" in shown


# --- show


def test_show_has_one_line_for_each_field(run: Run, sessions: Sessions) -> None:
    """What is known of a session, and the keys of its data, whose values are the application's."""
    created = sessions.create("ada", data={"theme": "dark-secret", "cart": []}, remember=True)
    result = run("sessions", "show", created.session.id, *STORE)
    shown = dict(re.split(r"  +", line, maxsplit=1) for line in result.out.splitlines())
    assert result.code == 0
    assert shown["id"] == created.session.id
    assert (shown["user_id"], shown["ip"], shown["remember"]) == ("ada", "-", "yes")
    assert shown["data_keys"] == "cart, theme"
    assert "dark-secret" not in result.out
    assert re.fullmatch(TIME, shown["expires_at"])


def test_show_as_json_is_one_object(run: Run, signed_in: list[Session]) -> None:
    """--json shows the same as an object."""
    assert json.loads(run("sessions", "show", signed_in[0].id, "--json", *STORE).out)["user_id"] == "ada"


@pytest.mark.parametrize("session_id", ["AAAAAAAAAAAAAAAAAAAAAA", "", "../../x", "x" * 1000])
@pytest.mark.parametrize("command", ["show", "revoke"])
def test_an_id_that_is_none_is_said_so(run: Run, sessions: Sessions, command: str, session_id: str) -> None:
    """Unknown or malformed: exit 1, and what was typed is not repeated."""
    result = run("sessions", command, *STORE, "--", session_id)
    assert (result.code, result.out, result.err) == (1, "", NO_SUCH)


def test_an_id_that_is_no_text_is_said_so(run: Run, sessions: Sessions) -> None:
    """Bytes that no text has, as a terminal of another encoding sends them."""
    result = run("sessions", "show", "\udcff", *STORE)
    reason = "text with half of a surrogate pair cannot be stored: surrogates not allowed"
    assert (result.code, result.out, result.err) == (2, "", f"coatcheck: {reason}\n")


def test_show_names_the_user_of_the_users_table(run: Run, sessions: Sessions) -> None:
    """With --users-table the user's name is there."""
    with closing(sqlite3.connect("app.db")) as database, database:
        database.execute("CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT, email TEXT, role TEXT)")
        database.execute("INSERT INTO people VALUES ('ada', 'Ada L.', NULL, NULL)")
    assert run("migrate", *STORE, "--users-table", "people").code == 0
    session = sessions.create("ada").session
    out = run("sessions", "show", session.id, *STORE, "--users-table", "people").out
    assert re.search(r"^user_name +Ada L\.$", out, re.MULTILINE)


def test_no_public_id_can_be_taken_for_an_option() -> None:
    """An id can be typed after a command as it is."""
    assert not any(new_session_id().startswith("-") for _ in range(5000))


# --- revoke


def test_L14_revoke_ends_one_session(run: Run, sessions: Sessions, signed_in: list[Session]) -> None:
    """By its public id, without a question."""
    result = run("sessions", "revoke", signed_in[0].id, *STORE)
    assert (result.code, result.out, result.err) == (0, "ended 1 session\n", "")
    assert live(sessions) == {session.id for session in signed_in[1:]}


def test_L7_a_revoked_session_is_refused_by_a_running_application(run: Run, sessions: Sessions) -> None:
    """The command is another connection: the application's next look sees it, though it has a copy in memory."""
    created = sessions.create("ada")
    assert sessions.get(created.token)
    assert sessions.lookup(created.token)
    assert run("sessions", "revoke", created.session.id, *STORE).code == 0
    assert not sessions.get(created.token)


def test_L11_revoke_user_ends_all_of_theirs(run: Run, sessions: Sessions, signed_in: list[Session]) -> None:
    """--user, and --yes because nobody is there to be asked."""
    result = run("sessions", "revoke", "--user", "ada", "--yes", *STORE)
    assert (result.code, result.out) == (0, "ended 2 sessions\n")
    assert live(sessions) == {session.id for session in signed_in[2:]}


def test_revoke_everyone_ends_all(run: Run, sessions: Sessions, signed_in: list[Session]) -> None:
    """--everyone leaves nobody."""
    result = run("sessions", "revoke", "--everyone", "--yes", *STORE)
    assert (result.code, result.out) == (0, "ended 4 sessions\n")
    assert live(sessions) == set()


@pytest.mark.parametrize("which", [("--user", "nobody"), ("--everyone",)])
def test_revoking_nothing_is_exit_1(run: Run, sessions: Sessions, which: tuple[str, ...]) -> None:
    """A script can tell that there was nothing to end."""
    result = run("sessions", "revoke", *which, *STORE)
    assert (result.code, result.out) == (1, "ended 0 sessions\n")


@pytest.mark.parametrize(("which", "count", "whose"), [("--user=ada", 2, "this user"), ("--everyone", 4, "everyone")])
def test_more_than_one_is_asked_for_on_a_terminal(
    signed_in: list[Session], asked: Callable[..., Result], which: str, count: int, whose: str
) -> None:
    """The question says how many, on standard error."""
    result = asked("yes\n", which)
    assert (result.code, result.out) == (0, f"ended {count} sessions\n")
    assert result.err == f"End {count} sessions of {whose}? [y/N] "


@pytest.mark.parametrize("typed", ["y\n", "Y\n", " YES \n", "y"])
def test_yes_can_be_typed_in_several_ways(signed_in: list[Session], asked: Callable[..., Result], typed: str) -> None:
    """As people type it."""
    assert asked(typed, "--everyone").code == 0


@pytest.mark.parametrize("typed", ["\n", "n\n", "", "yy\n"])
def test_anything_but_yes_revokes_nothing(
    sessions: Sessions, signed_in: list[Session], asked: Callable[..., Result], typed: str
) -> None:
    """The default is no."""
    result = asked(typed, "--everyone")
    assert (result.code, result.out) == (1, "")
    assert result.err.endswith("[y/N] coatcheck: nothing was revoked\n")
    assert len(live(sessions)) == 4


def test_without_a_terminal_more_than_one_needs_yes(
    run: Run, sessions: Sessions, signed_in: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script must say so, and nothing ends until it does."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    result = run("sessions", "revoke", "--user", "ada", *STORE)
    fix = "more than one session would end, and there is no terminal to ask on: add --yes"
    assert (result.code, result.out, result.err) == (2, "", f"coatcheck: {fix}\n")
    assert len(live(sessions)) == 4


def test_one_session_of_a_user_is_not_asked_for(run: Run, signed_in: list[Session]) -> None:
    """A single one ends at once."""
    assert run("sessions", "revoke", "--user", "bob", *STORE).out == "ended 1 session\n"


# --- secrets


def test_T9_no_command_prints_a_token_or_its_hash(run: Run, sessions: Sessions) -> None:
    """Neither the token nor the key of its row is anywhere in what the commands print."""
    created = sessions.create("ada")
    token = created.token.reveal()
    with closing(sqlite3.connect("app.db")) as database:
        [(row_key,)] = database.execute("SELECT token_hash FROM coatcheck_sessions").fetchall()
    results = [
        run("sessions", "list", *STORE),
        run("sessions", "list", "--json", *STORE),
        run("sessions", "show", created.session.id, *STORE),
        run("sessions", "show", created.session.id, "--json", *STORE),
        run("check", *STORE),
        run("sessions", "show", *STORE, "--", token),
        run("sessions", "revoke", *STORE, "--", token),
        run("sessions", "revoke", created.session.id, *STORE),
    ]
    printed = "".join(result.out + result.err for result in results)
    assert created.session.id in printed
    assert token not in printed
    assert row_key.hex() not in printed.lower()

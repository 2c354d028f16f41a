"""How the command is called: options, their environment variables, and one clear line for each mistake."""

from __future__ import annotations

import argparse
import re
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import coatcheck.demo
from coatcheck import Unavailable
from coatcheck.cli import arguments
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.stores.steps import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from coatcheck import Session
    from tests.cli.conftest import Result

    Run = Callable[..., Result]

STORE = ("--store", "sqlite:///app.db")


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Return a parser and all that stand below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from commands(below)


OF_TABLES = {"--session-table", "--user-table", "--schema", "--columns"}
"""Options about Better Auth's tables, whose variables say so: ours have a schema too."""


# --- help


def test_every_command_and_option_says_what_it_does() -> None:
    """Nothing that can be typed lacks its line of help."""
    for parser in commands(arguments.parser()):
        for action in parser._actions:
            assert isinstance(action, argparse._SubParsersAction) or action.help, (parser.prog, action.dest)


def test_every_option_has_an_environment_variable_and_names_it() -> None:
    """All but those that say what is lost, or what is imported: no variable that was left behind may say that."""
    without: set[str] = set()
    for parser in commands(arguments.parser()):
        for action in parser._actions:
            flags = [flag for flag in action.option_strings if flag.startswith("--") and flag != "--help"]
            if not flags:
                continue
            group = "BETTER_AUTH_" if parser.prog.startswith("coatcheck better-auth") and flags[0] in OF_TABLES else ""
            variable = f"COATCHECK_{group}{flags[0][2:].upper().replace('-', '_')}"
            if not re.search(rf"\[{variable}(=1)?\]$", action.help or ""):
                without.add(f"{parser.prog} {flags[0]}")
    lost = {
        "sessions revoke": ("user", "everyone", "yes"),
        "invalidate": ("namespace", "tenant"),
        "tokens create": ("prefix", "user", "name", "scope", "lifetime"),
        "tokens list": ("prefix", "user"),
        "tokens revoke": ("prefix", "user"),
        "import starsessions": ("from", "prefix", "user-key", "dry-run"),
        "import flask-session": ("from", "prefix", "user-key", "table", "schema", "uuids", "dry-run"),
        "import litestar": ("from", "prefix", "user-key", "dry-run"),
        "import fastapi-users": ("from", "table", "schema", "lifetime", "dry-run"),
    }
    asked = {"coatcheck serve --print-config"}  # which no variable may make of a server
    assert without == asked | {f"coatcheck {command} --{name}" for command, names in lost.items() for name in names}


@pytest.mark.parametrize(
    "command",
    [
        "",
        "demo",
        "migrate",
        "sessions",
        "sessions list",
        "sessions show",
        "sessions revoke",
        "tokens create",
        "tokens list",
        "tokens revoke",
        "invalidate",
        "stats",
        "sweep",
        "import flask-session",
        "check",
    ],
)
def test_help_is_exit_0(run: Run, command: str) -> None:
    """--help goes to standard output, with the exit codes where something runs."""
    result = run(*command.split(), "--help")
    assert (result.code, result.err) == (0, "")
    assert f"usage: coatcheck {command}".rstrip() in result.out
    assert command == "sessions" or "Exit codes: 0 all is well" in result.out


# --- mistakes

RANGE = "is not possible: use a whole number from"
WHICH = (
    "no database is named: give --store sqlite:///app.db (or COATCHECK_STORE), --config coatcheck.toml, "
    "or --app module:attribute"
)
BOTH = "--store or --config and --app (COATCHECK_STORE and COATCHECK_APP) both name a database: give one of them"


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("", "coatcheck: the following arguments are required: COMMAND; see coatcheck --help"),
        (
            "sessions",
            "coatcheck sessions: the following arguments are required: COMMAND; see coatcheck sessions --help",
        ),
        (
            "sessions show",
            "coatcheck sessions show: the following arguments are required: ID; see coatcheck sessions show --help",
        ),
        (
            "sessions revoke",
            (
                "coatcheck sessions revoke: one of the arguments ID --user --everyone is required; "
                "see coatcheck sessions revoke --help"
            ),
        ),
        (
            "sessions revoke x --everyone",
            (
                "coatcheck sessions revoke: argument --everyone: not allowed with argument ID; "
                "see coatcheck sessions revoke --help"
            ),
        ),
        ("check --stor x", "coatcheck: unrecognized arguments: --stor x; see coatcheck --help"),
        *(
            (
                f"sessions list --limit {limit}",
                (
                    f"coatcheck sessions list: argument --limit: {limit} {RANGE} 1 to 1000; "
                    "see coatcheck sessions list --help"
                ),
            )
            for limit in ("0", "1001", "-1", "ten", "1.5")
        ),
        ("sweep --batch 0", f"coatcheck sweep: argument --batch: 0 {RANGE} 1 to 1000000; see coatcheck sweep --help"),
        ("demo --port 0", f"coatcheck demo: argument --port: 0 {RANGE} 1 to 65534; see coatcheck demo --help"),
        ("demo --port 65535", f"coatcheck demo: argument --port: 65535 {RANGE} 1 to 65534; see coatcheck demo --help"),
        ("check", f"coatcheck: {WHICH}"),
        ("migrate", f"coatcheck: {WHICH}"),
        ("sessions list", f"coatcheck: {WHICH}"),
        (
            "check --store oracle://ada:hunter2@db/app",
            (
                "coatcheck: --store='oracle://***@db/app' is not possible: use a URL such as 'sqlite:///app.db', "
                "'postgresql://user@host/database' or 'valkey://host:6379/0'"
            ),
        ),
        ("check --store sqlite:///app.db --app shop:app", f"coatcheck: {BOTH}"),
        ("check --config coatcheck.toml --app shop:app", f"coatcheck: {BOTH}"),
        (
            "check --store sqlite:///app.db --users-table x;y",
            "coatcheck: --users-table='x;y' is not possible: use letters, digits and underscores",
        ),
        ("check --app shop", "coatcheck: app='shop' is not possible: use 'module:attribute', such as 'shop.main:app'"),
    ],
    ids=lambda value: value[:40] or "nothing",
)
def test_a_mistake_is_one_clear_line_and_exit_2(run: Run, typed: str, complaint: str) -> None:
    """What is wrong and how to fix it; no traceback, no usage to scroll past."""
    result = run(*typed.split())
    assert (result.code, result.out, result.err) == (2, "", f"{complaint}\n")


def test_an_unknown_command_is_refused(run: Run) -> None:
    """The line names what was typed and what could be."""
    result = run("frobnicate")
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert "frobnicate" in result.err
    assert "migrate" in result.err


# --- the environment


def test_variables_stand_for_options(run: Run, signed_in: list[Session], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each option can come from the environment."""
    monkeypatch.setenv("COATCHECK_STORE", "sqlite:///app.db")
    monkeypatch.setenv("COATCHECK_LIMIT", "1")
    monkeypatch.setenv("COATCHECK_USER", "ada")
    assert len(run("sessions", "list").out.splitlines()) == 2
    monkeypatch.setenv("COATCHECK_JSON", "1")
    assert run("sessions", "list").out.startswith("[")


def test_options_count_for_more_than_variables(
    run: Run, signed_in: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is typed wins, --store over COATCHECK_APP too."""
    monkeypatch.setenv("COATCHECK_APP", "no_such_module:app")
    monkeypatch.setenv("COATCHECK_LIMIT", "1")
    assert len(run("sessions", "list", "--limit", "3", *STORE).out.splitlines()) == 4


def test_an_app_that_is_typed_wins_over_a_store_in_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the other way round."""
    monkeypatch.setenv("COATCHECK_STORE", "sqlite:///elsewhere.db")
    assert "app='nowhere:app' cannot be imported" in run("check", "--app", "nowhere:app").err


def test_two_databases_in_the_environment_are_one_too_many(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is typed, so neither wins."""
    monkeypatch.setenv("COATCHECK_STORE", "sqlite:///app.db")
    monkeypatch.setenv("COATCHECK_APP", "shop:app")
    result = run("check")
    assert result.code == 2
    assert "both name a database" in result.err


def test_a_bad_variable_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says that the environment is to blame, and only the command that reads it complains."""
    monkeypatch.setenv("COATCHECK_LIMIT", "many")
    result = run("sessions", "list", *STORE)
    assert (result.code, result.err) == (
        2,
        (
            f"coatcheck sessions list: argument --limit: COATCHECK_LIMIT=many {RANGE} 1 to 1000; "
            "see coatcheck sessions list --help\n"
        ),
    )
    assert run("migrate", *STORE).code == 0


def test_an_empty_variable_is_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As compose files leave it when it is not set."""
    monkeypatch.setenv("COATCHECK_STORE", "")
    assert run("check").err == f"coatcheck: {WHICH}\n"


@pytest.mark.parametrize("name", ["COATCHECK_EVERYONE", "COATCHECK_YES"])
def test_no_variable_can_end_everyones_sessions(run: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What is lost has to be typed."""
    monkeypatch.setenv(name, "1")
    assert run("sessions", "revoke", *STORE).code == 2


# --- database files


def newer(path: Path) -> None:
    """Make app.db look as if a later release had written it."""
    SQLiteStore(str(path / "app.db")).migrate()
    with closing(sqlite3.connect(path / "app.db")) as database, database:
        database.execute("UPDATE coatcheck_meta SET schema = 99")


def no_database(path: Path) -> None:
    (path / "app.db").write_text("this is a text", encoding="utf-8")


def folder_instead(path: Path) -> None:
    (path / "app.db").mkdir()


LOOKING = ["sweep", "sessions list", "sessions show x", "sessions revoke x", "invalidate --tenant x"]
COMMANDS = ["check", "migrate", *LOOKING]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("prepare", "complaint"),
    [
        (
            newer,
            f"database='app.db' has schema 99, newer than {len(MIGRATIONS)} of this release; upgrade coatcheck",
        ),
        (
            no_database,
            (
                "database='app.db' is not possible: the file is no SQLite database (file is not a database); "
                "name another file"
            ),
        ),
        (folder_instead, "database='app.db' is not possible: this is a folder; name a file in it"),
    ],
    ids=["newer", "text", "folder"],
)
def test_a_database_that_cannot_be_used_is_named(
    run: Run,
    folder: Path,
    command: str,
    prepare: Callable[[Path], None],
    complaint: str,
) -> None:
    """Whatever the command, the line says what is wrong with the file and what to do."""
    prepare(folder)
    result = run(*command.split(), *STORE)
    assert (result.code, result.out, result.err) == (2, "", f"coatcheck: {complaint}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_folder_is_named(run: Run, command: str) -> None:
    """A folder is not made up."""
    result = run(*command.split(), "--store", "sqlite:///no/such/app.db")
    fix = "the folder no/such does not exist; create it"
    assert (result.code, result.err) == (2, f"coatcheck: database='no/such/app.db' is not possible: {fix}\n")


@pytest.mark.parametrize("command", LOOKING)
def test_a_missing_file_is_not_made_by_looking(run: Run, folder: Path, command: str) -> None:
    """A mistyped name is an error, and leaves no empty database behind."""
    result = run(*command.split(), *STORE)
    fix = "the database is not ready: there is no such file: run `coatcheck migrate`"
    assert (result.code, result.err) == (2, f"coatcheck: {fix}\n")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_S9_a_store_that_does_not_answer_is_exit_3(run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """An outage is told apart from a mistake."""

    def out(*_: Any) -> Any:
        raise Unavailable("the database app.db did not answer: locked")

    monkeypatch.setattr("coatcheck.stores.sqlite.SQLiteStore.problems", out)
    monkeypatch.setattr("coatcheck.stores.sqlite.SQLiteStore.migrate", out)
    result = run(*command.split(), *STORE)
    assert (result.code, result.out, result.err) == (3, "", "coatcheck: the database app.db did not answer: locked\n")


# --- demo


def test_demo_gets_its_options(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, port and database are handed on, and the demo's exit code handed back."""
    calls: list[dict[str, Any]] = []

    def demo(**options: Any) -> int:
        calls.append(options)
        return 1

    monkeypatch.setattr(coatcheck.demo, "run", demo)
    assert run("demo").code == 1
    monkeypatch.setenv("COATCHECK_DATABASE", "there.db")
    monkeypatch.setenv("COATCHECK_PORT", "9000")
    run("demo", "--host", "0.0.0.0")  # noqa: S104 - nothing listens
    assert calls == [
        {"host": "127.0.0.1", "port": 8000, "database": None},
        {"host": "0.0.0.0", "port": 9000, "database": "there.db"},  # noqa: S104
    ]


def test_importing_the_command_loads_no_framework() -> None:
    """Who has only the core installed can migrate, list and revoke."""
    import subprocess

    code = (
        "import sys; import coatcheck.cli; "
        "print([name for name in ('fastapi', 'starlette', 'pydantic', 'ua_parser', 'uvicorn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

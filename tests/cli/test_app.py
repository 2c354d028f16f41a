"""`--app`: commands that take their configuration from an application."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coatcheck import Session
    from tests.cli.conftest import Result

    Run = Callable[..., Result]

SOURCE = """\
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from coatcheck import AsyncSessions, Sessions
from coatcheck.starlette import SessionMiddleware

PATH = "sqlite:///app.db"
asynchronous, threaded = AsyncSessions(PATH), Sessions(PATH)

starlette = Starlette()
starlette.add_middleware(GZipMiddleware)
starlette.add_middleware(SessionMiddleware, sessions=asynchronous, sign_in_path="/in")

fastapi = FastAPI()
fastapi.add_middleware(SessionMiddleware, sessions=asynchronous, sign_in_path="/in")

wrapped = SessionMiddleware(Starlette(), asynchronous, sign_in_path="/in")
deeper = GZipMiddleware(GZipMiddleware(wrapped))

class Holder:
    sessions = threaded

class Endless:
    @property
    def app(self):
        return self

endless = Endless()
bare = Starlette()
number = 7
"""


@pytest.fixture(autouse=True)
def module(folder: Path) -> Iterator[None]:
    """Write the module where the command is called from, and forget it afterwards."""
    (folder / "shop_for_tests.py").write_text(SOURCE, encoding="utf-8")
    yield
    sys.modules.pop("shop_for_tests", None)
    sys.modules.pop("broken_for_tests", None)


@pytest.mark.parametrize("name", ["starlette", "fastapi", "wrapped", "deeper"])
def test_settings_are_found_in_an_application(run: Run, signed_in: list[Session], name: str) -> None:
    """However the middleware was put in front of it."""
    result = run("check", "--app", f"shop_for_tests:{name}")
    assert result.code == 0
    assert result.out.startswith(f"configuration: the application shop_for_tests:{name}\n")
    assert "  sign_in_path                  /in\n" in result.out


@pytest.mark.parametrize("name", ["asynchronous", "threaded", "Holder.sessions"])
def test_sessions_themselves_can_be_named(run: Run, signed_in: list[Session], name: str) -> None:
    """Then the settings for HTTP are the defaults, and it says so."""
    result = run("check", "--app", f"shop_for_tests:{name}")
    assert result.code == 0
    assert result.out.startswith(f"configuration: the sessions shop_for_tests:{name}, with default settings for HTTP\n")


@pytest.mark.parametrize("name", ["fastapi", "asynchronous", "threaded"])
def test_commands_work_on_the_applications_database(run: Run, signed_in: list[Session], name: str) -> None:
    """Listing and revoking, by the variable too."""
    app = ("--app", f"shop_for_tests:{name}")
    assert len(run("sessions", "list", *app).out.splitlines()) == 5
    assert run("sessions", "revoke", signed_in[0].id, *app).out == "ended 1 session\n"
    assert run("sweep", *app).code == 0
    assert run("migrate", *app).code == 0


def test_the_variable_names_it_too(run: Run, signed_in: list[Session], monkeypatch: pytest.MonkeyPatch) -> None:
    """COATCHECK_APP stands for --app."""
    monkeypatch.setenv("COATCHECK_APP", "shop_for_tests:fastapi")
    assert len(run("sessions", "list").out.splitlines()) == 5


@pytest.mark.parametrize("name", ["bare", "number", "Holder", "endless"])
def test_what_has_no_sessions_is_refused(run: Run, name: str) -> None:
    """The line says what could be named."""
    result = run("check", "--app", f"shop_for_tests:{name}")
    fix = "it is neither sessions nor an application behind SessionMiddleware"
    assert (result.code, result.err) == (2, f"coatcheck: app='shop_for_tests:{name}' is not possible: {fix}\n")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_module:app", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("shop_for_tests:nothing", "AttributeError: module 'shop_for_tests' has no attribute 'nothing'"),
        ("broken_for_tests:app", "ZeroDivisionError: division by zero"),
    ],
)
def test_what_cannot_be_imported_is_one_line(run: Run, name: str, reason: str) -> None:
    """The application's own error, without its traceback."""
    Path("broken_for_tests.py").write_text("1 / 0\n", encoding="utf-8")
    result = run("check", "--app", name)
    assert (result.code, result.err) == (2, f"coatcheck: app='{name}' cannot be imported: {reason}\n")

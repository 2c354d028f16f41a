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
bare_deeper = GZipMiddleware(bare)

def factory():
    return wrapped

number = 7
"""

FRAMEWORKS = """\
from flask import Flask
from litestar import Litestar
from aiohttp import web
from werkzeug.middleware.proxy_fix import ProxyFix
from coatcheck import AsyncSessions, Sessions, aiohttp, flask as with_flask, litestar, wsgi

asynchronous, threaded = AsyncSessions("sqlite:///app.db"), Sessions("sqlite:///app.db")

flask = Flask("shop")
with_flask.Coatcheck(flask, threaded, sign_in_path="/in")
proxied = Flask("shop")
with_flask.Coatcheck(proxied, threaded, sign_in_path="/in")
proxied.wsgi_app = ProxyFix(proxied.wsgi_app)

plain_wsgi = ProxyFix(wsgi.SessionMiddleware(lambda *_: [], threaded, sign_in_path="/in"))

with_litestar = Litestar(logging_config=None, plugins=[litestar.CoatcheckPlugin(asynchronous, sign_in_path="/in")])

with_aiohttp = web.Application()
aiohttp.setup(with_aiohttp, asynchronous, sign_in_path="/in")

bare_flask, bare_litestar, bare_aiohttp = Flask("bare"), Litestar(logging_config=None), web.Application()
"""


@pytest.fixture(autouse=True)
def module(folder: Path) -> Iterator[None]:
    """Write the module where the command is called from, and forget it afterwards."""
    (folder / "shop_for_tests.py").write_text(SOURCE, encoding="utf-8")
    (folder / "more_for_tests.py").write_text(FRAMEWORKS, encoding="utf-8")
    yield
    for name in ("shop_for_tests", "more_for_tests", "broken_for_tests"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "app",
    [
        *(f"shop_for_tests:{name}" for name in ("starlette", "fastapi", "wrapped", "deeper")),
        *(f"more_for_tests:{name}" for name in ("flask", "proxied", "plain_wsgi", "with_litestar", "with_aiohttp")),
    ],
)
def test_settings_are_found_in_an_application(run: Run, signed_in: list[Session], app: str) -> None:
    """However the middleware was put in front of it."""
    result = run("check", "--app", app)
    assert result.code == 0
    assert result.out.startswith(f"configuration: the application {app}\n")
    assert "  sign_in_path                  /in\n" in result.out


@pytest.mark.parametrize("name", ["asynchronous", "threaded", "Holder.sessions"])
def test_sessions_themselves_can_be_named(run: Run, signed_in: list[Session], name: str) -> None:
    """Then the settings for HTTP are the defaults, and it says so."""
    result = run("check", "--app", f"shop_for_tests:{name}")
    assert result.code == 0
    assert result.out.startswith(f"configuration: the sessions shop_for_tests:{name}, with default settings for HTTP\n")


@pytest.mark.parametrize("name", ["shop_for_tests:fastapi", "more_for_tests:flask", "shop_for_tests:threaded"])
def test_commands_work_on_the_applications_database(run: Run, signed_in: list[Session], name: str) -> None:
    """Listing and revoking, by the variable too."""
    app = ("--app", name)
    assert len(run("sessions", "list", *app).out.splitlines()) == 5
    assert run("sessions", "revoke", signed_in[0].id, *app).out == "ended 1 session\n"
    assert run("sweep", *app).code == 0
    assert run("migrate", *app).code == 0


def test_the_variable_names_it_too(run: Run, signed_in: list[Session], monkeypatch: pytest.MonkeyPatch) -> None:
    """COATCHECK_APP stands for --app."""
    monkeypatch.setenv("COATCHECK_APP", "shop_for_tests:fastapi")
    assert len(run("sessions", "list").out.splitlines()) == 5


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("shop_for_tests:bare", "starlette.applications.Starlette"),
        ("shop_for_tests:bare_deeper", "starlette.middleware.gzip.GZipMiddleware, and last in it starlette.applica"),
        ("more_for_tests:bare_flask", "flask.app.Flask"),
        ("more_for_tests:bare_litestar", "litestar.app.Litestar"),
        ("more_for_tests:bare_aiohttp", "aiohttp.web_app.Application"),
        ("shop_for_tests:number", "builtins.int"),
        ("shop_for_tests:Holder", "builtins.type"),
        ("shop_for_tests:endless", "shop_for_tests.Endless"),
    ],
)
def test_what_has_no_sessions_is_refused(run: Run, name: str, found: str) -> None:
    """The line says what was found, and what could be named."""
    result = run("check", "--app", name)
    why = "it is neither sessions nor an application behind SessionMiddleware"
    assert result.code == 2
    assert result.err.startswith(f"coatcheck: app={name!r} is not possible: {why}; found {found}")


def test_what_is_not_looked_into_is_said(run: Run) -> None:
    """A function is not called, and Django's settings are not in its application."""
    result = run("check", "--app", "shop_for_tests:factory")
    assert (result.code, "factory is a function" in result.err) == (2, True)
    Path("broken_for_tests.py").write_text(
        "from django.core.handlers.wsgi import WSGIHandler\napp = WSGIHandler.__new__(WSGIHandler)\n", encoding="utf-8"
    )
    result = run("check", "--app", "broken_for_tests:app")
    assert (result.code, "run `manage.py check`" in result.err) == (2, True)


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

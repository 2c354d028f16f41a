"""Runs Django's own tests of sessions against our engine, in a process of its own, and prints what came of each.

    python -m tests.django.upstream FOLDER WHAT STORE

FOLDER is the unpacked source of the installed Django; nothing of it is in this repository. WHAT is one of `RUNS`, STORE
the URL of a store, or "default" for the database that Django's tests run in.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import unittest
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ENGINE = "coatcheck.django.sessions"


CONTEXT = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]


def configure(store: str, database: dict[str, Any], folder: Path) -> None:
    """Set up a site as Django's own test suite has it, with our engine and our middleware."""
    import django
    from django.conf import settings

    theirs = ("admin", "auth", "contenttypes", "messages", "sessions", "sites")
    settings.configure(
        SECRET_KEY="a key for tests",
        INSTALLED_APPS=[
            *(f"django.contrib.{name}" for name in theirs),
            "coatcheck.django",
            "sessions_tests",
            "auth_tests",
        ],
        MIDDLEWARE=[
            "coatcheck.django.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [folder / "tests" / "templates"],
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": CONTEXT},
            }
        ],
        MIGRATION_MODULES=dict.fromkeys(theirs),  # tables at once, as their test suite has them
        DATABASES={"default": database},
        SESSION_ENGINE=ENGINE,
        COATCHECK={} if store == "default" else {"store": store},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        ROOT_URLCONF="urls",
        SITE_ID=1,
        STATIC_URL="/static/",
        USE_TZ=False,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    )
    django.setup()


def mixin() -> list[type[unittest.TestCase]]:
    """The verbs of a session; its coroutines run beside the thread that waits for them, as under WSGI."""
    from django.test import TestCase

    from coatcheck.django.sessions import SessionStore

    tests = import_module("sessions_tests.tests")
    return [type("Verbs", (tests.SessionTestsMixin, TestCase), {"backend": SessionStore})]


def native() -> list[type[unittest.TestCase]]:
    """The coroutines among them, each in an event loop as a server has it."""
    from django.test import SimpleTestCase

    from coatcheck.django.sessions import SessionStore

    tests = import_module("sessions_tests.tests")
    found: dict[str, Any] = {"backend": SessionStore, "setUp": _set_up, "databases": "__all__"}
    for name, test in vars(tests.SessionTestsMixin).items():
        if asyncio.iscoroutinefunction(test):
            found[name] = _in_a_loop(test)
    return [type("Verbs", (SimpleTestCase,), found)]


def _set_up(self: Any) -> None:
    self.session = self.backend()


def _in_a_loop(test: Callable[[Any], Any]) -> Callable[[Any], None]:
    def run(self: Any) -> None:
        asyncio.run(test(self))

    return run


def middleware() -> list[type[unittest.TestCase]]:
    """Django's middleware on our engine, and ours instead of it."""
    from coatcheck.django.middleware import SessionMiddleware

    tests: Any = import_module("sessions_tests.tests")
    tests.Session = Rows  # they look into Django's own table
    tests.DatabaseSession = import_module(ENGINE).SessionStore
    theirs: type[Any] = tests.SessionMiddlewareTests

    class Ours(theirs):  # type: ignore[misc]
        def setUp(self) -> None:
            super().setUp()
            self.addCleanup(setattr, tests, "SessionMiddleware", tests.SessionMiddleware)
            tests.SessionMiddleware = SessionMiddleware

    theirs.__qualname__ = "Theirs"
    Ours.__qualname__ = "Ours"
    return [theirs, Ours]


def auth() -> list[type[unittest.TestCase]]:
    """Sign-in, sign-out and changes of a password, through views and middleware."""
    views = import_module("auth_tests.test_views")
    names = ("LoginTest", "LogoutTest", "SessionAuthenticationTests", "ChangePasswordTest", "PasswordResetTest")
    found = [getattr(views, name) for name in names]
    for module in map(
        import_module, ("auth_tests.test_login", "auth_tests.test_remote_user", "auth_tests.test_middleware")
    ):
        cases = [thing for thing in vars(module).values() if isinstance(thing, type)]
        found += [case for case in cases if issubclass(case, unittest.TestCase) and case.__module__ == module.__name__]
    return found


class Rows:
    """What the tests ask of Django's model: the data that is stored under a key."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.get_decoded = lambda: data

    class objects:  # noqa: N801 - as a model has it
        @staticmethod
        def get(session_key: str) -> Rows:
            store = import_module(ENGINE).SessionStore
            assert store().exists(session_key)
            return Rows(store(session_key).load())


RUNS = {"mixin": mixin, "native": native, "middleware": middleware, "auth": auth}


class Result(unittest.TestResult):
    """What came of each test."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[str, str] = {}

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        self.ended.setdefault(_name_of(test), "passed")

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self.ended[_name_of(test)] = self.errors[-1][1]

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self.ended[_name_of(test)] = self.failures[-1][1]


def _name_of(test: unittest.TestCase) -> str:
    return f"{type(test).__qualname__}.{getattr(test, '_testMethodName', test.id())}"


def run(what: str) -> dict[str, str]:
    """Make the databases, run the tests, and destroy them."""
    from django.test.runner import DiscoverRunner

    from coatcheck.django.running import running

    runner = DiscoverRunner(verbosity=0, interactive=False)
    runner.setup_test_environment()
    databases = runner.setup_databases()
    try:
        result = Result()
        load = unittest.TestLoader().loadTestsFromTestCase
        unittest.TestSuite(map(load, RUNS[what]())).run(result)
    finally:
        running.reset()
        runner.teardown_databases(databases)
    return result.ended


def main() -> None:
    """Print the results as JSON."""
    folder, what, store = sys.argv[1:]
    sys.path.insert(0, str(Path(folder) / "tests"))
    with tempfile.TemporaryDirectory() as place:
        database = json.loads(os.environ.get("DATABASE", "null")) or {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": f"{place}/site.db",
            "TEST": {"NAME": f"{place}/test.db"},
        }
        configure(store, database, Path(folder))
        sys.stdout.write(json.dumps(run(what)))


if __name__ == "__main__":
    main()

"""What a session costs a request of Django's, beside Django's own engines; without a network, the handler is called."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from wsgiref.util import setup_testing_defaults

import django
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.cached_db import SessionStore as CachedDB
from django.core.cache import caches
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.db import connections
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path

from benchmarks.measure import insist, interleaved, timing
from benchmarks.report import Goal, Report, micros, timed
from benchmarks.scale import scaled
from benchmarks.servers import valkey_server
from coatcheck.django.running import running

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from benchmarks.measure import Batch, Timing
    from tests.servers.valkey import Valkey

_REQUESTS = 50
_ROUNDS = 200
_UNDER = 20

_OURS = "coatcheck.django.middleware.SessionMiddleware"
_THEIRS = "django.contrib.sessions.middleware.SessionMiddleware"

BARE, FLOOR, OURS = "bare Django", "an engine that does nothing", "coatcheck"
LOCAL, SERVER = "cached_db, memory of the process", "cached_db, Valkey"


class SessionStore(CachedDB):
    """Django's engine with a server as its cache; a module's `SessionStore` is what an engine is."""

    def __init__(self, session_key: str | None = None) -> None:
        """Use the other cache."""
        super().__init__(session_key)
        self._cache = caches["server"]


class Nothing:
    """A module of an engine that does nothing: what Django itself does for any engine."""

    class SessionStore(SessionBase):
        """Somebody is signed in, always."""

        def load(self) -> dict[str, Any]:
            """Ask nobody."""
            return {"_auth_user_id": "1"}


def _hello(_: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


def _who(request: HttpRequest) -> HttpResponse:
    insist(request.session["_auth_user_id"])
    return HttpResponse("hello")


urlpatterns = [path("bare", _hello), path("who", _who)]


async def run() -> list[Report]:
    """Measure one request to each of several handlers that differ in their engine alone."""
    async with valkey_server() as server:
        # In a thread, as under WSGI: Django refuses to use a database where a loop runs.
        with ThreadPoolExecutor(1) as thread, tempfile.TemporaryDirectory() as folder:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(thread, _measured, server, Path(folder))


def _measured(server: Valkey, folder: Path) -> list[Report]:

    _set_up(server, folder)
    call_command("migrate", verbosity=0)
    try:
        reports = [_report("SQLite")]
        with override_settings(COATCHECK={"store": server.url()}):
            reports.append(_report("Valkey"))
    finally:
        running.reset()
        connections.close_all()
        caches["server"].close()
    return reports


def _set_up(server: Valkey, folder: Path) -> None:
    local = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": server.url(1)}
    site = {
        "SECRET_KEY": "a key for benchmarks",
        "ALLOWED_HOSTS": ["*"],
        "ROOT_URLCONF": "benchmarks.django",
        "MIDDLEWARE": [],
        "INSTALLED_APPS": ["django.contrib.sessions", "coatcheck.django"],
        "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "site.db")}},
        "CACHES": {"default": local, "server": redis},
    }
    settings.configure(**site)
    django.setup()


def _report(store: str) -> Report:
    cases = {
        BARE: _requests("/bare", ""),
        FLOOR: _floor(),
        OURS: _case("coatcheck.django.sessions", _OURS),
        LOCAL: _case("django.contrib.sessions.backends.cached_db", _THEIRS),
        SERVER: _case("benchmarks.django", _THEIRS),
    }
    timings = asyncio.run(_interleaved(cases))
    report = timed(f"Django: one request whose view reads the user's id; coatcheck on {store}", timings)
    report.columns = ("handler", "µs", "adds µs", "noise")
    added = {name: timing.best - timings[BARE].best for name, timing in timings.items()}
    report.rows = [(name, total, micros(added[name]), noise) for name, total, _, noise in report.rows]
    text = f"{SERVER}, adds over what {OURS} adds"
    report.goals.append(Goal(text, added[SERVER] / added[OURS], _UNDER, at_least=True))
    text = f"{SERVER}, adds over what {OURS} adds, both without what {FLOOR} adds"
    ratio = (added[SERVER] - added[FLOOR]) / max(1, added[OURS] - added[FLOOR])
    report.goals.append(Goal(text, ratio, _UNDER, at_least=True))
    report.notes.append(
        "All are hits: nothing is read from a database. WSGI, one thread, the handler called directly; the user is not "
        "loaded. The middleware of each engine is the one that its documentation names."
    )
    return report


async def _interleaved(cases: dict[str, Callable[[], float]]) -> dict[str, Timing]:
    def batch(case: Callable[[], float]) -> Batch:
        async def run() -> float:
            return await asyncio.get_running_loop().run_in_executor(thread, case)

        return run

    with ThreadPoolExecutor(1) as thread:
        timings = await interleaved({name: batch(case) for name, case in cases.items()}, rounds=scaled(_ROUNDS))
        await asyncio.get_running_loop().run_in_executor(thread, _close)
    return timings


def _close() -> None:

    connections.close_all()
    caches["server"].close()


def _case(engine: str, middleware: str) -> Callable[[], float]:

    store: Any = import_module(engine).SessionStore()
    store["_auth_user_id"] = "1"
    store["_auth_user_hash"] = "x" * 64
    store.save()
    with override_settings(SESSION_ENGINE=engine, MIDDLEWARE=[middleware]):
        return _requests("/who", store.session_key)


def _floor() -> Callable[[], float]:
    sys.modules["benchmarks.django_nothing"] = cast("Any", Nothing)
    with override_settings(SESSION_ENGINE="benchmarks.django_nothing", MIDDLEWARE=[_THEIRS]):
        return _requests("/who", "k" * 43)


def _requests(path: str, key: str) -> Callable[[], float]:

    handler: Any = WSGIHandler()
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "HTTP_COOKIE": f"sessionid={key}"}
    setup_testing_defaults(environ)
    statuses: list[str] = []

    def start(status: str, _: Any) -> None:
        statuses.append(status)

    def batch() -> float:
        with timing(_REQUESTS, collecting=True) as took:
            for _ in range(_REQUESTS):
                handler({**environ, "wsgi.input": BytesIO()}, start).close()
        insist(statuses.count("200 OK") == _REQUESTS)
        statuses.clear()
        return took.each

    return batch

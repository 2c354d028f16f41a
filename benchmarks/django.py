"""Django, beside its own engine `cached_db` with Redis; and what it spends on any engine."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

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

from benchmarks.beside import BARE, GET, KEY, LOOP, MAPPING, NOTHING, VERB, Cases, bare_sync, in_loop_sync, opened_sync
from benchmarks.calling import wsgi
from benchmarks.measure import insist
from benchmarks.scene import COOKIE, cookie_header
from coatcheck.django import current_session
from coatcheck.django.running import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AsyncExitStack

    from django.http import HttpRequest

    from benchmarks.beside import Site
    from benchmarks.measure import Batch
    from coatcheck._sync.sessions import Sessions
    from coatcheck.django.configuration import Wiring

PEER = "cached_db, Redis"
LOCAL = "cached_db, memory of the process"
SQLITE = "coatcheck as the framework's mapping, hit; in the same SQLite as cached_db"

_OURS = ("coatcheck.django.sessions", "coatcheck.django.middleware.SessionMiddleware")
_THEIRS = "django.contrib.sessions.middleware.SessionMiddleware"


_NOTE = (
    "WSGI, one thread; the user is not loaded. The framework's own part is its middleware with an engine that knows "
    "the answer: the cookies are parsed, an engine is made, and the response gets its Vary."
)


class SessionStore(CachedDB):
    """Django's engine with a server as its cache; a module's `SessionStore` is what an engine is."""

    def __init__(self, session_key: str | None = None) -> None:
        """Use the other cache."""
        super().__init__(session_key)
        self._cache = caches["server"]


class Nothing:
    """A module of an engine that does nothing: what is left is what Django itself does for any engine."""

    class SessionStore(SessionBase):
        """Somebody is signed in, always."""

        def load(self) -> dict[str, Any]:
            """Ask nobody."""
            return {"_auth_user_id": "1"}


def _hello(_: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


def _verb(request: HttpRequest) -> HttpResponse:
    session = current_session(request)
    insist(session and session.user_id)
    return HttpResponse("hello")


def _mapping(request: HttpRequest) -> HttpResponse:
    insist(request.session["_auth_user_id"])
    return HttpResponse("hello")


urlpatterns = [path("", _mapping), path("hello", _hello), path("verb", _verb)]
"""Reading a key with a client of redis-py is a view that is added when there is a server."""


async def cases(at: Site, stack: AsyncExitStack) -> Cases:
    """Return handlers that differ in their engine, its middleware, and in what their view asks."""
    client = bare_sync(at, stack)

    def get(_: HttpRequest) -> HttpResponse:
        insist(client.get(KEY))
        return HttpResponse("hello")

    urlpatterns.append(path("get", get))
    folder = stack.enter_context(TemporaryDirectory(prefix="coatcheck-bench-"))
    # In a thread, as under WSGI: Django refuses to use a database where a loop runs.
    thread = stack.enter_context(ThreadPoolExecutor(1))
    loop = asyncio.get_running_loop()

    def batch(case: Callable[[], float]) -> Batch:
        async def run() -> float:
            return await loop.run_in_executor(thread, case)

        return run

    found = await loop.run_in_executor(thread, _cases, at, stack, Path(folder))
    stack.push_async_callback(loop.run_in_executor, thread, _close)
    batches = {name: batch(case) for name, case in found.items()}
    return Cases("Django", PEER, {**batches, LOOP: in_loop_sync(client, at)}, _NOTE)


def _cases(at: Site, stack: AsyncExitStack, folder: Path) -> dict[str, Callable[[], float]]:
    _set_up(at, folder)
    call_command("migrate", verbosity=0)
    known = stack.enter_context(opened_sync(at))
    with override_settings(COATCHECK={"store": at.server.url()}):
        ours, in_valkey = _handler(*_OURS), running.wiring()
    found = {
        BARE: wsgi(WSGIHandler(), at.cookies(), "/hello"),
        GET: wsgi(WSGIHandler(), at.cookies(), "/get"),
        NOTHING: _nothing(at.cookies()),
    }
    for case, sessions in known.items():
        found[case] = _ours(wsgi(ours, at.cookies(case), "/verb"), in_valkey, sessions)
    found[MAPPING] = _ours(wsgi(ours, at.cookies()), in_valkey, known[VERB])
    found[SQLITE] = wsgi(ours, _filled(_OURS[0], at))
    for name, engine in ((LOCAL, "django.contrib.sessions.backends.cached_db"), (PEER, "benchmarks.django")):
        found[name] = wsgi(_handler(engine, _THEIRS), _filled(engine, at))
    return found


def _ours(called: Callable[[], float], wiring: Wiring, sessions: Sessions) -> Callable[[], float]:
    """Return a case whose sessions are these, where those of the settings are in the site's own database."""

    def batch() -> float:
        with _instead(wiring, sessions):
            return called()

    return batch


@contextmanager
def _instead(wiring: Wiring, sessions: Sessions) -> Iterator[None]:
    before = vars(running).copy()
    vars(running).update(_wiring=wiring, _sessions=sessions)
    try:
        yield
    finally:
        vars(running).update(before)


def _set_up(at: Site, folder: Path) -> None:
    local = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    remote = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": at.server.url(2)}
    settings.configure(
        SECRET_KEY="a key for benchmarks",  # noqa: S106 - it guards nothing
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="benchmarks.django",
        MIDDLEWARE=[],
        SESSION_COOKIE_NAME=COOKIE.decode(),
        INSTALLED_APPS=["django.contrib.sessions", "coatcheck.django"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "site.db")}},
        CACHES={"default": local, "server": remote},
    )
    django.setup()


def _handler(engine: str, middleware: str) -> Any:
    with override_settings(SESSION_ENGINE=engine, MIDDLEWARE=[middleware]):
        return WSGIHandler()


def _nothing(cookies: Sequence[bytes]) -> Callable[[], float]:
    sys.modules["benchmarks.django_nothing"] = cast("Any", Nothing)
    return wsgi(_handler("benchmarks.django_nothing", _THEIRS), cookies)


def _filled(engine: str, at: Site) -> list[bytes]:
    """Sign the same users in with an engine, and return their cookies."""
    cookies: list[bytes] = []
    for held in at.data:
        store: Any = import_module(engine).SessionStore()
        store.update(held)
        store.save()
        insist(import_module(engine).SessionStore(store.session_key)["user_id"])
        cookies.append(cookie_header(store.session_key.encode()))
    return cookies


def _close() -> None:
    running.reset()
    connections.close_all()
    for cache in caches.all():
        cache.close()

"""What each step of a request costs, for docs/request-path.md: each layer by itself, all in the same rounds."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.calling import asgi, scope_of
from benchmarks.floor import data_version
from benchmarks.measure import awaits, calls, insist, interleaved
from benchmarks.path_fleet import fleet
from benchmarks.report import Report, timed
from benchmarks.scene import COOKIE, scene
from benchmarks.servers import postgresql, valkey_server
from coatcheck.asgi import SessionMiddleware
from coatcheck.asgi.context import SCOPE_KEY
from coatcheck.clock import SystemClock
from coatcheck.core.coherence import Entry, Knowledge, LogPage
from coatcheck.core.cookies import find_cookies
from coatcheck.core.credentials import Credentials
from coatcheck.core.local_cache import LocalCache, key_of
from coatcheck.core.session import STAMP, Session, copy_in, subjects_of
from coatcheck.core.tokens import TokenHash
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.web.async_context import RequestContext
from coatcheck.web.cross_origin import refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Batch
    from benchmarks.scene import Scene
    from coatcheck.asgi.types import Receive, Scope, Send

_ROUNDS = 200
_stat = os.stat
_OK = 200


async def run() -> list[Report]:
    """Measure the steps of a hit, those that look into SQLite, and those that ask a server."""
    reports = await alone()
    async with postgresql() as server, valkey_server() as cache:
        return [*reports, await fleet(server.url(server.create_database()), cache.url())]


async def alone() -> list[Report]:
    """Measure what needs no server."""
    async with scene(lease_only=True) as memory, scene() as sqlite:
        return [await _hit(memory, sqlite), await _miss(sqlite)]


async def _hit(memory: Scene, sqlite: Scene) -> Report:
    scopes = [scope_of(header) for header in memory.headers()]
    ours, ours_sqlite = SessionMiddleware(_asking, memory.sessions), SessionMiddleware(_asking, sqlite.sessions)
    silent = SessionMiddleware(_silent, memory.sessions)
    timings = await interleaved(
        {
            "a call of nothing": calls(lambda scope: scope, scopes),
            "the application alone": asgi(_silent, memory.headers()),
            "behind the middleware, asking nothing": asgi(silent, memory.headers()),
            "the whole request, lease only": asgi(ours, memory.headers()),
            "the whole request, SQLite": asgi(ours_sqlite, sqlite.headers()),
            **_web(ours, scopes),
            **_core(memory),
        },
        rounds=_ROUNDS,
    )
    report = timed("The path of a request: a hit in memory", timings, over="the whole request, lease only")
    report.notes.append(
        "Each step is called by itself with what it gets in a request, so each has the call of nothing in it. "
        "The application is a plain ASGI function that is called directly, without a network."
    )
    return report


def _web(middleware: SessionMiddleware, scopes: Sequence[Scope]) -> dict[str, Batch]:
    """Return the steps between the server and the cache."""
    sessions, settings, transport = middleware.sessions, middleware.settings, middleware.transport

    def context(scope: Scope) -> RequestContext:
        return RequestContext(scope, sessions, settings, transport)

    def finished(asked: RequestContext) -> list[Any]:
        headers: list[Any] = []
        asked.finish(headers)
        return headers

    posts = [{**scope, "method": "POST"} for scope in scopes]
    contexts = [context(scope) for scope in scopes]
    for each in contexts:
        each.presented()
    return {
        "the context": calls(context, scopes),
        "the cross-origin check of a POST": calls(lambda post: refusal(post, contexts[0]) is None, posts),
        "finding the token": calls(lambda scope: transport.find(scope["headers"], sessions.well_formed), scopes),
        "the context, made and asked": awaits(lambda scope: context(scope).session(), scopes),
        "Vary": calls(finished, contexts),
    }


def _core(memory: Scene) -> dict[str, Batch]:
    """Return the steps of `lookup`, and what is done with its answer."""
    sessions = [session for token in memory.tokens if (session := memory.sessions.lookup(token))]
    copies = [copy_in(session) for session in sessions]
    keys = [key_of(token) for token in memory.tokens]
    cache: LocalCache[bytes] = LocalCache(len(keys) * 4)
    for key, copy in zip(keys, copies, strict=True):
        cache.put(key, copy)
    young = cache.young
    busy, beyond = Knowledge("", lease=1), STAMP.unpack_from(copies[-1])[0] + 1
    busy.apply(LogPage("", 0, (Entry(beyond, "s:another"),), None, 0, resumed=True, as_of=beyond + 1), 0)
    return {
        "scanning the Cookie header": calls(lambda header: find_cookies(header, COOKIE), memory.headers()),
        "the hash of the token": calls(key_of, memory.tokens),
        "the dictionary": calls(lambda key: young[key], keys),
        "the clock": calls(lambda _: SystemClock.monotonic(), copies),
        "the stamp": calls(STAMP.unpack_from, copies),
        "the log, where others were revoked since": calls(
            lambda copy: busy.admits(STAMP.unpack_from(copy)[0], subjects_of(copy)), copies
        ),
        "the Session object": calls(Session, copies),
        "lookup, all of it, lease only": calls(memory.sessions.lookup, memory.tokens),
        "reading the user's id": calls(lambda session: session.user_id, sessions),
    }


async def _miss(scene: Scene) -> Report:
    """Measure what SQLite is asked, each statement with everything around it."""
    credentials, token_hash = Credentials(TokenHash(), None), TokenHash()
    hashes = [token_hash(token) for token in scene.tokens]
    path = os.fsencode(scene.path)
    async with AsyncExitStack() as stack:
        store = AsyncSQLiteStore(str(scene.path))
        stack.push_async_callback(store.aclose)
        connection = scene.connect()
        stack.callback(connection.close)
        version, page = data_version(connection), await store.poll(None)
        timings = await interleaved(
            {
                "has anything been committed?": calls(lambda _: store.unchanged(page.cursor), hashes),
                "of that PRAGMA data_version": calls(lambda _: version(), hashes),
                "of that os.stat": calls(lambda _: _stat(path), hashes),
                "lookup, all of it, SQLite": calls(scene.sessions.lookup, scene.tokens),
                "judging the token": calls(credentials.hash_of, scene.tokens),
                "SQLite: a poll of the log": awaits(lambda _: store.poll(page.cursor), hashes),
                "SQLite: the read": awaits(store.read, hashes),
            },
            rounds=_ROUNDS,
        )
    report = timed("The path of a request: what SQLite is asked", timings)
    report.notes.append("The file lies in the page cache of the operating system, as one in use does.")
    return report


async def _silent(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": _OK, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def _asking(scope: Scope, receive: Receive, send: Send) -> None:
    session = await scope[SCOPE_KEY].session()
    insist(session and session.user_id)
    await _silent(scope, receive, send)

"""Flask, beside Flask-Session with Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import redis
from flask import Flask, session
from flask_session import Session as FlaskSession  # type: ignore[import-untyped]

from benchmarks.beside import (
    BARE,
    FROM_SHARED,
    FROM_STORE,
    GET,
    KEY,
    LOOP,
    MAPPING,
    VERB,
    Cases,
    bare_sync,
    in_loop_sync,
    opened_sync,
)
from benchmarks.calling import wsgi
from benchmarks.measure import insist
from benchmarks.scene import COOKIE
from coatcheck.flask import Coatcheck, current_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AsyncExitStack

    from benchmarks.beside import Site
    from benchmarks.measure import Batch

PEER = "Flask-Session, Redis"


async def cases(at: Site, stack: AsyncExitStack) -> Cases:
    """Return applications that differ in their extension and in what their view asks."""
    known, client = stack.enter_context(opened_sync(at)), bare_sync(at, stack)

    def get() -> str:
        insist(client.get(KEY))
        return "hello"

    def ours(view: Callable[[], str], case: str) -> Flask:
        app = _app(view)
        Coatcheck(app, known[case])
        return app

    batches = {
        BARE: _batch(_app(_hello), at.cookies()),
        **{case: _batch(ours(_verb, case), at.cookies(case)) for case in (VERB, FROM_STORE, FROM_SHARED)},
        MAPPING: _batch(ours(_mapping, VERB), at.cookies()),
        PEER: _batch(_theirs(at, stack), at.cookies()),
        GET: _batch(_app(get), at.cookies()),
        LOOP: in_loop_sync(client, at),
    }
    note = "Flask-Session reads the session before each view and writes it after, as its defaults have it."
    return Cases("Flask", PEER, batches, note)


def _batch(app: Flask, cookies: list[bytes]) -> Batch:
    called = wsgi(app, cookies)

    async def batch() -> float:
        return called()

    return batch


def _app(view: Callable[[], str]) -> Flask:
    app = Flask("benchmarks")
    app.add_url_rule("/", view_func=view)
    return app


def _theirs(at: Site, stack: AsyncExitStack) -> Flask:
    app, client = _app(_mapping), redis.Redis.from_url(at.server.url(2))
    stack.callback(client.close)
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=client, SESSION_COOKIE_NAME=COOKIE.decode())
    FlaskSession(app)
    for token, held in zip(at.plain, at.data, strict=True):
        client.set(f"session:{token.decode()}", msgspec.msgpack.encode(held))
    return app


def _hello() -> str:
    return "hello"


def _verb() -> str:
    insist(current_session.user_id)
    return "hello"


def _mapping() -> str:
    insist(session["user_id"])
    return "hello"

"""A Worker with sign-in, a list of devices, "sign out everywhere", and a costly query that is cached."""

from __future__ import annotations

import hmac
from datetime import timedelta
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from workers import WorkerEntrypoint

from coatcheck import AsyncCache, AsyncSessions, CacheSettings, Policy, SharedCacheSettings, lifetimes
from coatcheck.caches.kv import AsyncKVCache
from coatcheck.stores.d1 import AsyncD1Store
from coatcheck.workers import D1, KV, Request, RequestContext, Response, SessionWorker, binding_of, safe_next

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SIGN_IN = """<!doctype html><title>Sign in</title>
<form method="post">
  <label>Name <input name="name" autocomplete="username" required></label>
  <label>Password <input name="password" type="password" autocomplete="current-password" required></label>
  <button>Sign in</button>
</form>"""


def sessions(env: Any) -> AsyncSessions:
    """Make the sessions, once in each isolate."""
    return AsyncSessions(
        AsyncD1Store(binding_of(env, "DB", D1)),
        shared_cache=AsyncKVCache(binding_of(env, "SESSIONS", KV)),
        shared_cache_settings=SharedCacheSettings(timeout=timedelta(milliseconds=300)),
        cache=CacheSettings(lease=timedelta(seconds=5)),
        policy=Policy(max_sessions=10),
        keys=[env.SESSION_KEY],
    )


@cache
def values(sessions: AsyncSessions) -> AsyncCache:
    """Return the values of this isolate. They lie in KV as well, and the log in D1 says which are outdated."""
    return AsyncCache(sessions)


async def home(_: Request, session: RequestContext) -> Response:
    """Greet the user; nobody else gets here."""
    user = await session.require()
    return Response.html(f"<!doctype html><title>Hello</title><p>Hello, {escape(user.user_id or '')}.")


async def sign_in_page(_: Request, __: RequestContext) -> Response:
    """Ask for name and password."""
    return Response.html(SIGN_IN)


async def sign_in(request: Request, session: RequestContext) -> Response:
    """Check the password; yours come from a table of users."""
    form = await request.form()
    right = hmac.compare_digest(form.get("password", "").encode(), request.env.PASSWORD.encode())
    if not right or not form.get("name"):
        return Response.html("<p>That is not right." + SIGN_IN, status=403)
    await session.sign_in(form["name"])
    await values(session.sessions).invalidate("signed in")
    return Response.redirect(safe_next(request.query.get("next")))


async def list_sessions(_: Request, session: RequestContext) -> Response:
    """List the user's sessions, newest first."""
    mine = await session.require()
    found = await session.sessions.list(mine.user_id or "")
    rows = [
        {
            "id": each.id,
            "created": each.created_at.isoformat(),
            "ip": each.ip,
            "user_agent": each.user_agent,
            "current": each.id == mine.id,
        }
        for each in found
    ]
    return Response.json({"sessions": rows})


async def how_many(request: Request, session: RequestContext) -> Response:
    """Count who is signed in: a query that is made once in five minutes, and after each sign-in."""

    async def count() -> int:
        sql = "SELECT count(DISTINCT user_id) AS people FROM coatcheck_sessions"
        return int((await request.env.DB.prepare(sql).first()).people)

    people = await values(session.sessions).get_or_load("signed in", count, ttl=lifetimes.QUERY_RESULTS, type=int)
    return Response.json({"people": people})


async def sign_out(_: Request, session: RequestContext) -> Response:
    """End this session."""
    await session.sign_out()
    return Response(status=204)


async def sign_out_everywhere(_: Request, session: RequestContext) -> Response:
    """End all sessions of the user, this one too."""
    user = await session.require()
    ended = await session.sessions.revoke_user(user.user_id or "")
    await session.sign_out()
    return Response.json({"ended": ended})


ROUTES: dict[tuple[str, str], Callable[[Request, RequestContext], Awaitable[Response]]] = {
    ("GET", "/"): home,
    ("GET", "/login"): sign_in_page,
    ("POST", "/login"): sign_in,
    ("GET", "/api/sessions"): list_sessions,
    ("GET", "/api/people"): how_many,
    ("POST", "/api/sign-out"): sign_out,
    ("POST", "/api/sign-out-everywhere"): sign_out_everywhere,
}


async def answer(request: Request, session: RequestContext) -> Response:
    """Find who answers a request."""
    route = ROUTES.get((request.method, request.path))
    return Response("Not found", status=404) if route is None else await route(request, session)


worker = SessionWorker(sessions, answer)


class Default(WorkerEntrypoint):  # type: ignore[misc]
    """What Cloudflare calls."""

    async def fetch(self, request: Any) -> Any:
        """Answer a request."""
        return await worker.fetch(request, self.env, self.ctx)

    async def scheduled(self, *_: Any) -> None:
        """Delete what has expired."""
        await worker.scheduled(self.env)

"""A site with everything that reads what clients send: the middleware, the gate and its APIs, webhooks, logout tokens.

One victim is signed in. The rules for whatever is asked are in `Site.ask`; the targets add their own.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, unquote_to_bytes

from fastapi import FastAPI

from coatcheck import AsyncProviderSessions, AsyncSessions, AsyncTokenPairs, DeviceBinding, Settings
from coatcheck.api import token_router
from coatcheck.asgi import context_of
from coatcheck.asgi.back_channel import BackChannelLogout
from coatcheck.asgi.middleware import SessionMiddleware
from coatcheck.asgi.webhooks import SignOutWebhook
from coatcheck.core.form_tokens import FormTokens
from coatcheck.providers.base import HTTPSettings
from coatcheck.providers.introspection import AsyncIntrospection
from coatcheck.serve.application import Served
from coatcheck.testing import ManualClock
from coatcheck.web.async_accounts import AsyncAccounts
from coatcheck.web.async_login_flows import AsyncLoginFlows
from coatcheck.web.async_second_factor import AsyncSecondFactor
from coatcheck.web.errors import AccountUnknown
from tests.fuzz.target import Log, logged
from tests.providers.sign_outs.signing import ISSUER, Keys
from tests.web.browser import Answer, exchange, started

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

    from coatcheck.asgi.types import App, Receive, Scope, Send
    from tests.fuzz.shapes import Lines

T = TypeVar("T")

KEY = "X0PFgLtCTnDsKl8r7WqYw2ZbIuEvHx3Aj5RmNp9Qk1o"
SERVICE_KEY = "mZ4rT8wQ1xV6bN3cJ7kL0pS5dF9gH2yU-internal"
HOOK = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VICTIM = "victim-of-the-tests"
COOKIE = "__Host-session"


async def _answer(send: Send, status: int, text: str = "") -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": text.encode("utf-8", "surrogateescape")})


async def _application(scope: Scope, receive: Receive, send: Send) -> None:
    """Ask the session of a request, and use what comes with it."""
    context = context_of(scope)
    said = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    value = said.get("value", [""])[0]
    match scope["path"]:
        case "/flow":
            flow = await AsyncLoginFlows(context).finish(value)
            await _answer(send, 200 if flow else 404, "finished" if flow else "")
        case "/second":
            pending = await AsyncSecondFactor(context).attempt()
            await _answer(send, 200, pending.user_id)
        case "/form":
            session = await context.require()
            FormTokens([KEY]).verify(session, value)
            await _answer(send, 200, "accepted")
        case "/visit":
            await context.start_anonymous({"seen": "yes"})
            await _answer(send, 200)
        case "/out":
            await context.sign_out()
            await _answer(send, 200)
        case _:
            session = await context.require()
            await _answer(send, 200, session.user_id or "")


async def _accounts(scope: Scope, receive: Receive, send: Send) -> None:
    """List the accounts of a browser, or switch to another."""
    accounts = AsyncAccounts(context_of(scope))
    if scope["path"] == "/switch":
        try:
            await accounts.switch(scope["query_string"].decode("latin-1"))
        except AccountUnknown:
            await _answer(send, 404)
            return
    await _answer(send, 200, " ".join(account.user_id for account in await accounts.list()))


class Site:
    """Everything together, on one store."""

    def __init__(self, folder: Path) -> None:
        store = os.environ.get("FUZZ_STORE") or f"sqlite:///{folder / 'fuzz.db'}"
        environ = {"COATCHECK_STORE": store, "COATCHECK_KEYS": KEY, "COATCHECK_SERVE_SERVICE_KEYS": SERVICE_KEY}
        environ |= {"COATCHECK_SERVE_BEARER": "true", "COATCHECK_SERVE_SIGN_IN_URL": "/login"}
        self.served = Served(Settings.load(environ=environ))
        assert isinstance(self.served.sessions, AsyncSessions)
        self.sessions = self.served.sessions
        self.own = AsyncSessions(store, keys=[KEY])
        self.app = SessionMiddleware(_application, self.own, bearer=True, device_binding=DeviceBinding())
        clock = ManualClock()
        how: dict[str, Any] = {"clock": clock, "settings": HTTPSettings(retries=0), "jwks_url": f"{ISSUER}/keys"}
        self.client = Keys().client()
        provider = AsyncIntrospection(
            f"{ISSUER}/introspect",
            client_id="web",
            client_secret=HOOK,
            client=self.client,
            issuer=ISSUER,
            audience="web",
        )
        self.provided = AsyncProviderSessions(provider, f"sqlite:///{folder / 'log.db'}", clock=clock)
        self.hook = SignOutWebhook(self.provided, secrets=[HOOK], clock=clock)
        self.logouts = BackChannelLogout(self.provided, issuer=ISSUER, client_id="web", client=self.client, **how)
        self.pairs = AsyncTokenPairs(self.own, access_lifetime=timedelta(hours=1))  # a long run is one of ten minutes
        endpoints = FastAPI()
        endpoints.include_router(token_router(self.pairs))
        self.places: dict[str, App] = {"/hook": self.hook, "/back-channel": self.logouts}
        self.places |= dict.fromkeys(("/token", "/revoke"), endpoints)
        self.places |= dict.fromkeys(("/accounts", "/switch"), SessionMiddleware(_accounts, self.own))
        self.runner = asyncio.Runner()
        self.log = Log()
        self.token = self.access = ""

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    def ask(
        self, method: str, path: str, lines: Lines, body: bytes = b"", *, allowed: bool = False, host: bytes = b"site"
    ) -> Answer:
        """Send a request, and insist on what holds of every answer.

        Args:
            method: The method.
            path: The path and query, as sent.
            lines: The headers, without Host.
            body: The body.
            allowed: Whether the request carries the victim's token as it should, and so may be answered as theirs.
            host: The Host.
        """
        answer = self.run(self._asked(method, path, [(b"host", host), *lines], body))
        assert answer.status < 500, (answer.status, answer.body)
        said = b"\n".join([answer.body, *(value for _, value in answer.headers)])
        assert allowed or VICTIM.encode() not in said, "the victim's session is somebody else's"
        text = self.log.take()
        for secret in (self.token, SERVICE_KEY, KEY, HOOK):
            assert secret not in text, "a secret is in the log"
            assert secret.encode() not in answer.body, "a secret is in an answer"
        return answer

    async def _asked(self, method: str, path: str, lines: Lines, body: bytes) -> Answer:
        raw_path, _, query = path.partition("?")
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
            "raw_path": raw_path.encode("utf-8", "replace"),
            "query_string": query.encode("utf-8", "surrogateescape"),
            "root_path": "",
            "headers": lines,
            "client": ("192.0.2.1", 50_000),
            "server": ("site", 443),
        }
        served = any(scope["path"].startswith(prefix) for prefix in ("/auth/", "/api/", "/internal/"))
        app = self.served if served else self.places.get(scope["path"], self.app)
        return await exchange(app, scope, body)

    async def sign_in(self) -> str:
        """Sign the victim in anew, and return the token; give a program of theirs access, too."""
        self.access = (await self.pairs.issue(VICTIM, name="program")).access.reveal()
        self.token = (await self.own.create(VICTIM, data={"card": VICTIM})).token.reveal()
        return self.token

    def signed_in(self) -> bool:
        """Tell whether the victim is signed in still; what attackers send should not end that."""
        return bool(self.run(self.own.get(self.token)))


@contextmanager
def running(folder: Path) -> Iterator[Site]:
    """Run the site, and hear what it logs."""
    site = Site(folder)
    stack = AsyncExitStack()

    async def opened() -> None:
        await stack.enter_async_context(started(site.served))
        await stack.enter_async_context(site.own)
        await stack.enter_async_context(site.provided)
        stack.push_async_callback(site.logouts.aclose)
        stack.push_async_callback(site.client.aclose)
        await site.sign_in()

    with site.runner, logged() as site.log:
        site.run(opened())
        try:
            yield site
        finally:
            site.run(stack.aclose())

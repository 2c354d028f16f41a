"""What goes wrong with Better Auth's sessions in a Worker: nobody is signed out, and nobody sees a stack trace."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncProviderSessions, ConfigurationError, Unavailable
from coatcheck.bindings import bytes_of, javascript, object_of
from coatcheck.caches.kv import AsyncKVCache
from coatcheck.core.answers import NotSignedIn
from coatcheck.providers.base import LARGEST_REPLY, HTTPSettings
from coatcheck.providers.better_auth import AsyncBetterAuth, AsyncBetterAuthD1
from coatcheck.stores.d1 import AsyncD1Store
from coatcheck.stores.kv import AsyncKVStore
from coatcheck.workers import SERVICE, Fetch, SessionWorker, binding_of
from tests.workers.inside.better_auth import AUTH, COOKIE, SECRETS, answer, made, signed_up
from tests.workers.inside.databases import emptied
from tests.workers.inside.fetch import Browser, Env, caplog

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["caplog"]


class Answering:
    """A service that answers what it is told."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        self._answer = answer
        self.signals: list[Any] = []

    async def fetch(self, _: str, options: Any) -> Any:
        """Answer one request, as another Worker would."""
        self.signals.append(options.signal)
        return await self._answer(options)


def _response(status: int, body: bytes = b"{}", **headers: str) -> Callable[[Any], Any]:
    async def answer(_: Any) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return javascript().Response.new(bytes_of(body), object_of(status=status, headers=named))

    return answer


async def _hang(_: Any) -> Any:
    await asyncio.Event().wait()


async def _reject(_: Any) -> Any:
    return await javascript().Promise.reject(javascript().TypeError.new("a secret"))


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (_response(302, location="https://evil.example/"), "answered 302"),
        (_response(503, retry_after="7"), "answered 503"),
        (_response(200, b"x" * (LARGEST_REPLY + 1)), "more than"),
        (_response(200, b"<html>"), "not JSON"),
        (_hang, "in time"),
        (_reject, "did not answer: TypeError"),
    ],
    ids=["redirect", "outage", "large", "nonsense", "hangs", "fails"],
)
async def test_S9_a_service_that_fails_is_no_sign_out(behaviour: Callable[[Any], Any], said: str) -> None:
    """And whatever is under way is aborted; nothing that was sent is in the error."""
    service = Answering(behaviour)
    settings = HTTPSettings(timeout=timedelta(milliseconds=200), retries=0)
    provider = AsyncBetterAuth(AUTH, client=Fetch(service), settings=settings)
    with pytest.raises(Unavailable, match=said) as raised:
        await provider.identify(b"token." + b"A" * 43 + b"=")
    assert "secret" not in str(raised.value)
    assert "token.A" not in repr(raised.value)
    assert raised.value.retry_after == (7 if "503" in said else 1)
    assert [signal.aborted for signal in service.signals] == [True]


async def test_S9_a_Worker_that_hangs_is_left_alone_and_asked_again(env: Any) -> None:
    """What is under way there is aborted, and fails when nobody waits for it any more."""
    cookie = (await signed_up(env)).encode()
    settings = HTTPSettings(timeout=timedelta(milliseconds=200), retries=0)
    hanging = AsyncBetterAuth(AUTH, base_path="/hang", client=Fetch(env.AUTH), settings=settings)
    for _ in range(2):
        with pytest.raises(Unavailable, match="in time"):
            await hanging.identify(cookie)
    answer = await AsyncBetterAuth(AUTH, client=Fetch(env.AUTH)).identify(cookie)
    assert not isinstance(answer.identity, NotSignedIn)


async def test_a_server_on_the_Internet_is_asked_without_a_binding() -> None:
    """By JavaScript's own fetch; here nobody listens."""
    provider = AsyncBetterAuth("http://127.0.0.1:1", client=Fetch.public(), settings=HTTPSettings(retries=0))
    with pytest.raises(Unavailable, match="better-auth did not answer: TypeError"):
        await provider.identify(b"token." + b"A" * 43 + b"=")


class Another:
    """A service of RPC: whatever is called may be a method of the other Worker."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: name


def test_what_cannot_be_asked_is_refused_at_the_start(env: Any) -> None:
    """A missing or wrong binding, no way to ask, and a store that has no log: each with the fix."""
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: binding_of(Env(), "AUTH", SERVICE), r'add \[\[services\]\] with binding = "AUTH"'),
        (lambda: Fetch(env.SESSIONS), "service='a KV namespace' is not possible: hand in a service"),
        (lambda: Fetch(None), "service=None is not possible"),
        (lambda: AsyncD1Store(Another()), "database='a service' is not possible: hand in a D1 database"),
        (lambda: AsyncKVCache(env.AUTH), "namespace='a service' is not possible: hand in a KV namespace"),
        (lambda: AsyncBetterAuthD1(env.SESSIONS, secrets=SECRETS), "database='a KV namespace' is not possible"),
        (lambda: AsyncBetterAuthD1(env.AUTH_DB, secrets=[]), "secrets are missing"),
        (lambda: AsyncBetterAuth(AUTH), r"httpx2 is missing.*a Worker hands in client=Fetch\(env.AUTH\)"),
        (
            lambda: AsyncProviderSessions(AsyncBetterAuthD1(env.AUTH_DB, secrets=SECRETS), AsyncKVStore(env.SESSIONS)),
            "invalidation log: use D1",
        ),
    ]
    for make, said in cases:
        with pytest.raises(ConfigurationError, match=said):
            make()


@pytest.mark.parametrize("missing", ["log", "tables", "binding"])
async def test_what_is_not_there_is_a_503_and_a_line_in_the_log(env: Any, missing: str, caplog: list[str]) -> None:
    """The client learns nothing of it."""
    await signed_up(env)  # so that Better Auth's tables are there
    empty = await emptied(env.DB)
    bound = {"DB": empty, "AUTH_DB": env.AUTH_DB, "SESSIONS": env.SESSIONS, "prefix": "missing:"}
    if missing != "log":
        await AsyncD1Store(empty).migrate()
    if missing == "tables":
        bound["AUTH_DB"] = empty
    if missing == "binding":
        del bound["AUTH_DB"]
    browser = Browser(SessionWorker(made, answer), Env(**bound))
    browser.cookie = f"{COOKIE}=x"
    response = await browser.send("GET", "/")
    assert response.status == 503
    assert "Traceback" not in await response.text()
    said = {
        "log": "wrangler d1 migrations apply",
        "tables": "there is no such table in this database",
        "binding": "[[d1_databases]]",
    }
    assert said[missing] in "".join(caplog)

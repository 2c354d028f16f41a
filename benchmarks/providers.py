"""What a request costs whose session somebody else issued: from memory, asked each time through us, and bare."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2

from benchmarks.measure import awaits, interleaved
from benchmarks.report import Goal, Report, micros
from coatcheck import AsyncProviderSessions, ProviderSettings
from coatcheck.providers.appwrite import AsyncAppwrite
from coatcheck.providers.better_auth import AsyncBetterAuth, AsyncBetterAuthDatabase
from coatcheck.providers.introspection import AsyncIntrospection
from tests.servers.appwrite import Appwrite
from tests.servers.better_auth import SECRET, BetterAuth
from tests.servers.oidc_provider import SECRET as CLIENT_SECRET
from tests.servers.oidc_provider import Browser, OIDCProvider

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.measure import Batch
    from coatcheck.providers.async_protocol import AsyncProvider

    Bare = Callable[[str], Awaitable[object]]

_HITS = 2_000
_ASKED = 5
_ROUNDS = 20
_UNDER_BARE = 100
KEPT, ASKED, BARE = "from memory", "asked each time, through us", "asked each time, bare"


class Case(NamedTuple):
    """One provider: its two ways through us, and the bare request that stands for what everybody does today."""

    name: str
    provider: Callable[[], AsyncProvider]
    token: str
    bare: Bare | None


async def run() -> list[Report]:
    """Measure each provider against its own server, all in one run."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="coatcheck-bench-")))
        client = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False))
        batches: dict[str, Batch] = {}
        for number, case in enumerate(_cases(stack, client)):
            for what, settings in ((KEPT, timedelta(minutes=5)), (ASKED, timedelta(0))):
                lasting = ProviderSettings(revalidate_after=settings, lease=timedelta(minutes=1))
                log = f"sqlite:///{folder / f'{number}-{settings.seconds}.db'}"
                sessions = AsyncProviderSessions(case.provider(), log, settings=lasting)
                await stack.enter_async_context(sessions)
                await sessions.get(case.token)
                times = _HITS if what is KEPT else _ASKED
                batches[f"{case.name}: {what}"] = awaits(sessions.get, [case.token] * times)
            if case.bare is not None:
                batches[f"{case.name}: {BARE}"] = awaits(case.bare, [case.token] * _ASKED)
        return [_report(await interleaved(batches, rounds=_ROUNDS))]


def _report(timings: dict[str, Any]) -> Report:
    report = Report("Sessions of a provider: one request", ("case", "µs", "over memory", "noise"))
    for name, timing in timings.items():
        memory = timings[f"{name.partition(': ')[0]}: {KEPT}"]
        ratio = timing.best / memory.best
        report.rows.append((name, micros(timing.best), f"{ratio:,.0f}", f"+{timing.noise:.0%}"))
        if name.endswith(BARE):
            report.goals.append(Goal(f"{name}, over {KEPT}", ratio, _UNDER_BARE, at_least=True))
    report.notes.append(
        "The log is in SQLite, so a look from memory includes one at the file. Bare is one request of httpx2 on a "
        "connection that is kept, its answer read and not understood; Appwrite needs two, and is a stand-in here. "
        "Reading Better Auth's tables has no bare counterpart: it is compared with asking its server."
    )
    return report


def _cases(stack: AsyncExitStack, client: httpx2.AsyncClient) -> list[Case]:
    return [*_better_auth(stack, client), _appwrite(stack, client), _introspection(stack, client)]


def _better_auth(stack: AsyncExitStack, client: httpx2.AsyncClient) -> list[Case]:
    server = stack.enter_context(BetterAuth())
    visitor = stack.enter_context(server.visitor())
    visitor.sign_up("ann@example.com")
    cookie = visitor.header

    async def bare(_: str) -> object:
        return (await client.get(f"{server.url}/api/auth/get-session", headers={"cookie": cookie})).content

    def tables() -> AsyncProvider:
        return AsyncBetterAuthDatabase(f"sqlite:///{server.database}", secrets=[SECRET])

    token = visitor.presented
    return [
        Case("Better Auth over HTTP", lambda: AsyncBetterAuth(server.url), token, bare),
        Case("Better Auth's tables", tables, token, None),
    ]


def _appwrite(stack: AsyncExitStack, client: httpx2.AsyncClient) -> Case:
    server = stack.enter_context(Appwrite())
    token = server.sign_in()

    async def bare(_: str) -> object:
        headers = {"x-appwrite-project": "shop", "x-appwrite-session": token}
        await client.get(f"{server.url}/account", headers=headers)
        return (await client.get(f"{server.url}/account/sessions/current", headers=headers)).content

    return Case("Appwrite", lambda: AsyncAppwrite(server.url, project="shop"), token, bare)


def _introspection(stack: AsyncExitStack, client: httpx2.AsyncClient) -> Case:
    server = stack.enter_context(OIDCProvider())
    browser = stack.enter_context(Browser(server))
    token = browser.sign_in("ada").access

    async def bare(_: str) -> object:
        form = {"token": token, "client_id": "poster", "client_secret": CLIENT_SECRET}
        return (await client.post(server.introspection, data=form)).content

    def provider() -> AsyncProvider:
        return AsyncIntrospection(server.introspection, client_id="poster", client_secret=CLIENT_SECRET, auth="post")

    return Case("OAuth 2.0 introspection", provider, token, bare)

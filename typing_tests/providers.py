"""What type checkers must understand of sessions that a provider issues; never run."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, assert_type

from fastapi import APIRouter, FastAPI

from coatcheck import (
    AsyncCache,
    AsyncProviderSessions,
    NotSignedIn,
    ProviderOptions,
    ProviderSessions,
    ProviderSettings,
    ServeOptions,
    Session,
    Settings,
    User,
)
from coatcheck.api import identity_router, session_router
from coatcheck.core.identities import ProviderAnswer
from coatcheck.fastapi import SessionMiddleware, describe_security
from coatcheck.providers.async_protocol import AsyncProvider
from coatcheck.providers.better_auth import AsyncBetterAuth, AsyncBetterAuthD1
from coatcheck.providers.protocol import Provider
from coatcheck.stores.d1 import AsyncD1Store
from coatcheck.workers import Fetch, Request, RequestContext, Response, SessionWorker


class Own:
    """A provider that somebody has written: no class of ours, only the verbs."""

    name = "own"
    conditions = "https://id.example.org"
    cookies = ("__Host-own",)
    bearer = None
    marks_bearer = False
    revalidate_after = timedelta(minutes=1)
    available = True

    def well_formed(self, presented: bytes) -> bool:
        return bool(presented)

    def forked(self) -> None: ...


class Threads(Own):
    """For threads."""

    def open(self) -> None: ...

    def close(self) -> None: ...

    def identify(self, presented: bytes) -> ProviderAnswer:
        return ProviderAnswer(NotSignedIn.UNKNOWN if presented else NotSignedIn.NO_TOKEN)

    def sign_out(self, presented: bytes) -> tuple[bytes, ...]:
        return (presented,)


class Asyncio(Own):
    """For asyncio."""

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    async def identify(self, presented: bytes) -> ProviderAnswer:
        return ProviderAnswer(NotSignedIn.UNKNOWN if presented else NotSignedIn.NO_TOKEN)

    async def sign_out(self, presented: bytes) -> tuple[bytes, ...]:
        return (presented,)


threaded: Provider = Threads()
awaited: AsyncProvider = Asyncio()

sessions = ProviderSessions(threaded, "sqlite:///log.db", settings=ProviderSettings(max_entries=100))
answer = sessions.get("token")
assert_type(answer, Session | NotSignedIn)
if answer:
    assert_type(answer, Session)
    assert_type(answer.user, User | None)
    assert_type(sessions.recheck(answer, b"token"), Session | NotSignedIn)
else:
    assert_type(answer, NotSignedIn)
assert_type(sessions.lookup(b"token"), Session | None)
assert_type(sessions.sign_out("token", wait=True), tuple[bytes, ...])
assert_type(sessions.told(("issuer", "id"), sessions=["session"]), bool)
with sessions as opened:
    assert_type(opened, ProviderSessions)

issued = AsyncProviderSessions(awaited, "postgresql://db/app")
app = FastAPI()
app.add_middleware(SessionMiddleware, sessions=issued)
app.include_router(identity_router(user_attributes=("tier",)), prefix="/api/v1/auth")
assert_type(session_router(user_attributes=["tier"]), APIRouter)
describe_security(app)

settings = Settings.load(provider=ProviderOptions(kind="appwrite", url="https://appwrite.example.org", project="shop"))
assert_type(settings.provider, ProviderOptions | None)
assert_type(settings.serve, ServeOptions)
assert_type(ServeOptions(headers=("user=Remote-User",)).header_names(), Mapping[str, str])
assert_type(settings.provider_sessions(on_event=print), ProviderSessions)
assert_type(settings.async_provider_sessions(), AsyncProviderSessions)


async def verbs() -> None:
    """The same verbs, awaited."""
    async with issued as opened:
        assert_type(opened, AsyncProviderSessions)
    assert_type(await issued.get("token"), Session | NotSignedIn)
    assert_type(issued.lookup(b"token"), Session | None)
    assert_type(await issued.sign_out("token"), tuple[bytes, ...])
    assert_type(issued.revalidate_after, timedelta)
    await issued.invalidate_user("7")


def in_a_worker(env: Any) -> SessionWorker:
    """Two ways to Better Auth, and an authority that a Worker takes."""

    def sessions(_: Any) -> AsyncProviderSessions:
        provider: AsyncProvider = AsyncBetterAuth("https://auth.example.org", client=Fetch(env.AUTH))
        provider = AsyncBetterAuthD1(env.DB, secrets=[env.BETTER_AUTH_SECRET])
        assert_type(AsyncCache(AsyncProviderSessions(provider, AsyncD1Store(env.DB))), AsyncCache)
        return AsyncProviderSessions(provider, AsyncD1Store(env.DB))

    async def answer(_: Request, session: RequestContext) -> Response:
        return Response.json({"user": (await session.require()).user_id})

    return SessionWorker(sessions, answer)

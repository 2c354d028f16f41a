"""A logout at a real OpenID provider: it tells us, waits for the answer, and only then ends anything itself."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from coatcheck import AsyncProviderSessions, NotSignedIn, ProviderSettings
from coatcheck.asgi.back_channel import BackChannelLogout
from coatcheck.starlette import SessionMiddleware
from tests.providers.asking import introspection
from tests.servers.oidc_provider import Browser, OIDCProvider
from tests.servers.ports import Port
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from coatcheck.asgi.types import Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio

CACHED = ProviderSettings(revalidate_after=timedelta(minutes=5))


class Place:
    """One port of ours, and a provider that sends there what its two clients are told.

    Attributes:
        before_answering: Run when we have acted on a token, and before the provider has our answer.
    """

    def __init__(self) -> None:
        self.port = Port()
        url = f"http://127.0.0.1:{self.port.number}/logout"
        # "web" is told which session has ended; "forum" only of the user.
        self.provider = OIDCProvider({"web": url, "forum": url}, by_session=["web"])
        self.before_answering: Callable[[], Awaitable[None]] | None = None
        self.answers: list[int] = []

    @asynccontextmanager
    async def listening(self, sessions: AsyncProviderSessions) -> AsyncIterator[None]:
        """Serve the back-channel, behind the middleware as an application would have it."""
        channel = BackChannelLogout(sessions, issuer=self.provider.issuer, client_id=["web", "forum"])

        class Held:
            async def __call__(_, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: N805
                async def held(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        self.answers.append(message["status"])
                        if self.before_answering is not None:
                            await self.before_answering()
                    await send(message)

                await channel(scope, receive, held)

        app = SessionMiddleware(Starlette(routes=[Route("/logout", Held(), methods=["POST"])]), sessions=sessions)
        config = uvicorn.Config(app, port=self.port.number, log_level="warning", lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        try:
            await asyncio.to_thread(until, lambda: server.started, "we listen")
            yield
        finally:
            server.should_exit = True
            await serving
            await channel.aclose()


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    it = Place()
    try:
        with it.provider:
            yield it
    finally:
        it.port.close()


@asynccontextmanager
async def workers(place: Place, url: str, number: int = 3) -> AsyncIterator[list[AsyncProviderSessions]]:
    """Open as many workers over one log; the first hears of logouts."""
    place.before_answering, place.answers = None, []
    async with AsyncExitStack() as stack:
        all_of_them = []
        for _ in range(number):
            made = AsyncProviderSessions(introspection("asyncio", place.provider), url, settings=CACHED)
            all_of_them.append(await stack.enter_async_context(made))
        await stack.enter_async_context(place.listening(all_of_them[0]))
        yield all_of_them


async def user_of(worker: AsyncProviderSessions, token: str) -> str | None:
    answer = await worker.get(token)
    return answer.user_id if answer else None


def active(place: Place, token: str) -> bool:
    """Ask the provider itself."""
    return bool(place.provider.form("/token/introspection", {"token": token}, client="api").json()["active"])


async def test_A5_I3_a_logout_there_ends_the_session_here_before_it_is_true_there(place: Place, tmp_path: Path) -> None:
    """What another worker asks while the provider waits for our answer is "active", and is refused all the same."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    async with workers(place, url) as (first, second, third):
        with Browser(place.provider) as browser, Browser(place.provider) as elsewhere:
            token = (await asyncio.to_thread(browser.sign_in, "ada")).access
            other = (await asyncio.to_thread(elsewhere.sign_in, "ada")).access
            assert [await user_of(worker, token) for worker in (first, second)] == ["ada", "ada"]
            seen: list[Any] = []

            async def look() -> None:
                seen.append(await asyncio.to_thread(active, place, token))
                seen.extend([await worker.get(token) for worker in (first, second, third)])

            place.before_answering = look
            await asyncio.to_thread(browser.sign_out)
        assert place.answers == [200]
        assert seen == [True, *[NotSignedIn.UNKNOWN] * 3]
        assert not active(place, token)
        assert [await user_of(worker, token) for worker in (first, second, third)] == [None] * 3
        # The user's session in another browser goes on: there and here.
        assert [await user_of(worker, other) for worker in (first, second, third)] == ["ada"] * 3


async def test_A5_I3_a_logout_of_a_user_ends_what_began_before_it_and_nothing_later(
    place: Place, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    async with workers(place, url) as (first, second, third):
        with Browser(place.provider) as browser:
            token = (await asyncio.to_thread(browser.sign_in, "eve", "forum")).access
            assert await user_of(second, token) == "eve"
            seen: list[Any] = []

            async def look() -> None:
                seen.append(await asyncio.to_thread(active, place, token))
                seen.extend([await worker.get(token) for worker in (first, second, third)])

            place.before_answering = look
            await asyncio.to_thread(browser.sign_out)
            assert seen == [True, *[NotSignedIn.UNKNOWN] * 3]
            assert await user_of(second, token) is None
            second_of_logout = int(time.time())
            await asyncio.to_thread(until, lambda: int(time.time()) > second_of_logout, "the next second")
            again = (await asyncio.to_thread(browser.sign_in, "eve", "forum")).access
            assert [await user_of(worker, again) for worker in (first, second, third)] == ["eve"] * 3


async def test_A5_L7_workers_on_a_server_hear_of_a_logout_there(place: Place, postgresql_url: str) -> None:
    async with workers(place, postgresql_url) as (first, second, third):
        with Browser(place.provider) as browser:
            token = (await asyncio.to_thread(browser.sign_in, "ada")).access
            for worker in (first, second, third):
                assert await user_of(worker, token) == "ada"
            place.before_answering = None
            await asyncio.to_thread(browser.sign_out)
        assert place.answers == [200]
        assert await user_of(first, token) is None
        await first.invalidate("another", wait=True)  # by now every worker has the entries that came before
        assert [await user_of(worker, token) for worker in (second, third)] == [None] * 2


async def test_I4_a_logout_that_cannot_be_recorded_is_no_success(place: Place, tmp_path: Path) -> None:
    """The provider gets 503, and so can send it again; what it has ended itself is found out by asking."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    async with workers(place, url, 1) as (only,):
        with Browser(place.provider) as browser:
            await asyncio.to_thread(browser.sign_in, "ada")
            with suppress(Exception):
                await only.store.aclose()
            (tmp_path / "log.db").unlink()
            (tmp_path / "log.db").mkdir()
            await asyncio.to_thread(browser.sign_out)
        assert place.answers == [503]

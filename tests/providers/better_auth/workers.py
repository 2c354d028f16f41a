"""Workers of an application beside Better Auth, of both kinds."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from coatcheck import AsyncProviderSessions, NotSignedIn, ProviderSessions, ProviderSettings, Session
from coatcheck.providers.base import HTTPSettings
from coatcheck.providers.better_auth import AsyncBetterAuth, BetterAuth
from coatcheck.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from coatcheck import User
    from tests.servers.better_auth import BetterAuth as Server

PROVIDER = {"base_path", "cookie_prefix", "secure_cookies", "bearer", "secrets", "origin"}
FAST = HTTPSettings(retries=0, failures=1_000)


class Worker:
    """`ProviderSessions` of one of the two kinds, and the loop of its own that one of them needs.

    Args:
        kind: "asyncio" or "threads".
        url: Where Better Auth is.
        log: The store of the invalidation log.
        settings: Arguments of the provider, or else fields of `ProviderSettings`.
    """

    def __init__(self, kind: str, url: str, log: str, http: HTTPSettings = FAST, **settings: Any) -> None:
        self.clock = ManualClock(datetime.now(UTC))
        ours = {name: settings.pop(name) for name in PROVIDER & settings.keys()}
        is_async = kind == "asyncio"
        provider: Any = (AsyncBetterAuth if is_async else BetterAuth)(url, settings=http, **ours)
        self.sessions: Any = (AsyncProviderSessions if is_async else ProviderSessions)(
            provider, log, settings=ProviderSettings(**settings), clock=self.clock
        )
        self._close = "aclose" if is_async else "close"
        self._runner = asyncio.Runner()

    def do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the sessions, and wait for it."""

        async def awaited() -> Any:
            answer = getattr(self.sessions, verb)(*args, **kwargs)
            return await answer if inspect.isawaitable(answer) else answer

        if isinstance(self.sessions, AsyncProviderSessions):
            return self._runner.run(awaited())
        return getattr(self.sessions, verb)(*args, **kwargs)

    def get(self, token: str) -> Session | NotSignedIn:
        found: Session | NotSignedIn = self.do("get", token)
        return found

    def user(self, token: str) -> User:
        found = self.get(token)
        assert found
        assert found.user
        return found.user

    def sign_out(self, token: str) -> tuple[bytes, ...]:
        lines: tuple[bytes, ...] = self.do("sign_out", token)
        return lines

    def advance(self, duration: timedelta) -> None:
        self.clock.advance(duration)

    def close(self) -> None:
        self.do(self._close)
        self._runner.close()


@contextmanager
def working(kind: str, log: str) -> Iterator[Any]:
    """Make workers that share a log, and close them."""
    with ExitStack() as stack:

        def make(server: Server, **settings: Any) -> Worker:
            worker = Worker(kind, settings.pop("url", server.url), log, **settings)
            stack.callback(worker.close)
            worker.do("open")
            return worker

        yield make

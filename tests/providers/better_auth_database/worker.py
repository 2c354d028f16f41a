"""One worker of an application behind Better Auth: sessions of either kind, and the loop that one of them needs."""

from __future__ import annotations

import asyncio
import inspect
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from coatcheck._async.provider_sessions import AsyncProviderSessions
from coatcheck._sync.provider_sessions import ProviderSessions
from coatcheck.core.settings import ProviderSettings
from coatcheck.providers.better_auth.async_database import AsyncBetterAuthDatabase
from coatcheck.providers.better_auth.database import BetterAuthDatabase
from tests.servers.better_auth import SECRET
from tests.servers.waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.providers.better_auth_database.hands import Database

HOUR = timedelta(hours=1)


class Worker:
    """A worker that would believe its memory for an hour, and the log for a minute, if nobody told it anything.

    Args:
        kind: "asyncio" or "threads".
        auth: The database.
        url: Where the tables are read, if not there.
        store: Where the log is, if not there.
        revalidate_after: When the database is asked again.
        lease: How long a proof of the log is good.
        options: Arguments of the provider.
    """

    def __init__(
        self,
        kind: str,
        auth: Database,
        *,
        url: str | None = None,
        store: Any = None,
        revalidate_after: timedelta = HOUR,
        lease: timedelta = timedelta(minutes=1),
        **options: Any,
    ) -> None:
        settings = ProviderSettings(revalidate_after=revalidate_after, lease=lease, refused_for=timedelta(0))
        options = {"secrets": [SECRET], "columns": {"user.tier": "tier"}, **options}
        self._runner = asyncio.Runner()
        self.sessions: Any
        if kind == "asyncio":
            self.provider: Any = AsyncBetterAuthDatabase(url or auth.url, **options)
            self.sessions = AsyncProviderSessions(self.provider, store or auth.url, settings=settings)
        else:
            self.provider = BetterAuthDatabase(url or auth.url, **options)
            self.sessions = ProviderSessions(self.provider, store or auth.url, settings=settings)
        self.kind = kind
        self.queries = 0
        self._count(self.provider)

    def _count(self, provider: Any) -> None:
        """Count how often the tables are read."""
        read = provider._tables.read

        def counted(token: str) -> Any:
            self.queries += 1
            return read(token)

        provider._tables.read = counted

    def wait_for(self, answer: Any) -> Any:
        """Return an answer, which one of the two kinds has to be waited for."""
        return self._runner.run(_awaited(answer)) if inspect.isawaitable(answer) else answer

    def get(self, token: str | bytes) -> Any:
        return self.wait_for(self.sessions.get(token))

    def do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        return self.wait_for(getattr(self.sessions, verb)(*args, **kwargs))

    def until(self, token: str, event: Callable[[Any], bool]) -> Any:
        """Ask again and again, as requests do, until the answer is what is waited for."""
        return (
            self._runner.run(self._async_until(token, event)) if self.kind == "asyncio" else self._until(token, event)
        )

    async def _async_until(self, token: str, event: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(DEADLINE / 3):
            while not event(answer := await self.sessions.get(token)):  # noqa: ASYNC110 - as requests ask
                await asyncio.sleep(0.002)
            return answer

    def _until(self, token: str, event: Callable[[Any], bool]) -> Any:
        end = time.monotonic() + DEADLINE / 3
        while not event(answer := self.sessions.get(token)):
            assert time.monotonic() < end, "it is not seen"
            time.sleep(0.002)
        return answer

    def until_refused(self, token: str) -> None:
        self.until(token, lambda answer: not answer)

    def warm(self, token: str) -> Any:
        """Have a session in memory, and return it."""
        self.until(token, bool)
        return self.until(token, lambda _: self.sessions.lookup(token) is not None)

    def __enter__(self) -> Self:
        try:
            self.wait_for(self.sessions.open())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.wait_for(self.sessions.aclose() if self.kind == "asyncio" else self.sessions.close())
        self._runner.close()


async def _awaited(answer: Any) -> Any:
    return await answer

"""One process of an application on Appwrite, of either kind."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Self

from coatcheck import AsyncProviderSessions, ProviderSessions, ProviderSettings, Session
from coatcheck.providers.appwrite import Appwrite, AsyncAppwrite
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from tests.servers.appwrite import PROJECT

if TYPE_CHECKING:
    from datetime import timedelta

    from coatcheck import NotSignedIn
    from coatcheck.providers.base import HTTPSettings
    from coatcheck.testing import ManualClock

KEY = "jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"


class Worker:
    """A worker's sessions, behind one face for asyncio and threads.

    Args:
        kind: "asyncio" or "threads".
        url: Where Appwrite is.
        store: A file of SQLite's, or the URL of a server.
        clock: The worker's clock; None for the machine's.
        cookie: The provider's setting.
        http: How Appwrite is asked.
        revalidate_after: How long its answers are served.
        serve_stale_for: For how much longer where it cannot be asked.
        **options: Further settings of the sessions.
    """

    def __init__(
        self,
        kind: str,
        url: str,
        store: str,
        *,
        clock: ManualClock | None = None,
        project: str = PROJECT,
        cookie: Any = None,
        http: HTTPSettings | None = None,
        revalidate_after: timedelta | None = None,
        **options: Any,
    ) -> None:
        waits = kind == "asyncio"
        self._runner = asyncio.Runner()
        self.events: list[Any] = []
        own = {name: options.pop(name) for name in ("serve_stale_for", "refused_for") if name in options}
        provider: Any = (AsyncAppwrite if waits else Appwrite)(
            url, project=project, cookie=cookie, settings=http, clock=clock
        )
        files: Any = AsyncSQLiteStore if waits else SQLiteStore
        self.provider = provider
        self.sessions: Any = (AsyncProviderSessions if waits else ProviderSessions)(
            provider,
            store if "://" in store else files(store, clock=clock),
            settings=ProviderSettings(revalidate_after=revalidate_after, **own),
            keys=[KEY] if "shared_cache" in options else None,
            clock=clock,
            on_event=self.events.append,
            **options,
        )
        self._close = "aclose" if waits else "close"

    def do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the sessions, and wait for it."""
        return self.wait_for(getattr(self.sessions, verb)(*args, **kwargs))

    def wait_for(self, answer: Any) -> Any:
        """Return an answer, which one of the two kinds has to be waited for."""
        return self._runner.run(_awaited(answer)) if inspect.isawaitable(answer) else answer

    def get(self, token: str) -> Session | NotSignedIn:
        answer: Session | NotSignedIn = self.do("get", token)
        return answer

    def session(self, token: str) -> Session:
        """Return the session of a token that has one."""
        session = self.get(token)
        assert isinstance(session, Session), session
        return session

    def settle(self) -> None:
        """Wait until what was on its way to the shared cache has arrived."""
        errands = self.sessions.tiers.shared._errands
        self.wait_for(getattr(errands, self._close)())

    def __enter__(self) -> Self:
        self.do("open")
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self._close)
        self._runner.close()


async def _awaited(answer: Any) -> Any:
    return await answer

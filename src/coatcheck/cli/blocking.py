"""An application's asyncio store, used without asyncio: each call runs to its end before it returns."""

from __future__ import annotations

import asyncio
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, cast

from coatcheck._async.api_tokens import AsyncApiTokens
from coatcheck._async.sessions import AsyncSessions
from coatcheck._sync.api_tokens import ApiTokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck._sync.sessions import Sessions
    from coatcheck.stores.async_protocol import AsyncStore
    from coatcheck.stores.protocol import Store


class _Blocking:
    """Stands for an object with coroutines; all of them run in one event loop, which its connections belong to."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        """Keep whom to ask, and where."""
        self.inner = inner
        self.runner = runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        return self._run(found) if iscoroutinefunction(found) else found

    def _run(self, call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **options: self.runner.run(call(*arguments, **options))

    def close(self) -> None:
        """Close it, and the event loop."""
        try:
            self.runner.run(self.inner.aclose())
        finally:
            self.runner.close()


def blocking_store(store: AsyncStore) -> Store:
    """Return a store for threads that is the asyncio store."""
    return cast("Store", _Blocking(store, asyncio.Runner()))


def blocking_sessions(store: Store) -> Sessions | None:
    """Return sessions on a store that `blocking_store` returned; None for any other.

    Not `Sessions`: its threads would enter the one event loop at the same time.
    """
    if not isinstance(store, _Blocking):
        return None
    return cast("Sessions", _Blocking(AsyncSessions(store.inner), store.runner))


def tokens_of(sessions: Sessions, prefix: str) -> ApiTokens:
    """Return the API tokens beside some sessions, also those of `blocking_sessions`."""
    if isinstance(sessions, _Blocking):
        return cast("ApiTokens", _Blocking(AsyncApiTokens(sessions.inner, prefix=prefix), sessions.runner))
    return ApiTokens(sessions, prefix=prefix)

"""An application's asyncio store, used without asyncio: each call runs to its end before it returns."""

from __future__ import annotations

import asyncio
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, cast

from coatcheck._async.api_tokens import AsyncApiTokens
from coatcheck._async.audit_trail import AsyncAuditTrail
from coatcheck._async.sessions import AsyncSessions
from coatcheck._sync.api_tokens import ApiTokens
from coatcheck._sync.audit_trail import AuditTrail

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck._sync.sessions import Sessions
    from coatcheck.core.policy import Policy
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


def blocking_sessions(store: Store, policy: Policy | None) -> Sessions | None:
    """Return sessions on a store that `blocking_store` returned; None for any other.

    Not `Sessions`: its threads would enter the one event loop at the same time.
    """
    if not isinstance(store, _Blocking):
        return None
    return cast("Sessions", _Blocking(AsyncSessions(store.inner, policy=policy), store.runner))


def audit_trail(sessions: Sessions) -> AuditTrail:
    """Return the audit trail of sessions, also of those that `blocking_sessions` returned."""
    if isinstance(sessions, _Blocking):
        return cast("AuditTrail", _Blocking(AsyncAuditTrail(sessions.inner), sessions.runner))
    return AuditTrail(sessions)


def tokens_of(sessions: Sessions, prefix: str) -> ApiTokens:
    """Return the API tokens beside some sessions, also those of `blocking_sessions`."""
    if isinstance(sessions, _Blocking):
        return cast("ApiTokens", _Blocking(AsyncApiTokens(sessions.inner, prefix=prefix), sessions.runner))
    return ApiTokens(sessions, prefix=prefix)

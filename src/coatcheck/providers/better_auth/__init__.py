"""Better Auth as a provider of sessions. Over HTTP it needs `coatcheck[providers]`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coatcheck.providers.better_auth.async_d1 import AsyncBetterAuthD1
    from coatcheck.providers.better_auth.async_d1_triggers import AsyncBetterAuthD1Triggers
    from coatcheck.providers.better_auth.async_database import AsyncBetterAuthDatabase
    from coatcheck.providers.better_auth.async_http import AsyncBetterAuth
    from coatcheck.providers.better_auth.async_triggers import AsyncBetterAuthTriggers
    from coatcheck.providers.better_auth.database import BetterAuthDatabase
    from coatcheck.providers.better_auth.http import BetterAuth
    from coatcheck.providers.better_auth.triggers import BetterAuthTriggers

__all__ = [
    "AsyncBetterAuth",
    "AsyncBetterAuthD1",
    "AsyncBetterAuthD1Triggers",
    "AsyncBetterAuthDatabase",
    "AsyncBetterAuthTriggers",
    "BetterAuth",
    "BetterAuthDatabase",
    "BetterAuthTriggers",
]

# Each needs libraries that the others do not, so it is imported when it is asked for.
_MODULES = {
    "AsyncBetterAuth": "async_http",
    "AsyncBetterAuthD1": "async_d1",
    "AsyncBetterAuthD1Triggers": "async_d1_triggers",
    "AsyncBetterAuthDatabase": "async_database",
    "AsyncBetterAuthTriggers": "async_triggers",
    "BetterAuth": "http",
    "BetterAuthDatabase": "database",
    "BetterAuthTriggers": "triggers",
}


def __getattr__(name: str) -> Any:
    try:
        module = _MODULES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(import_module(f"{__name__}.{module}"), name)

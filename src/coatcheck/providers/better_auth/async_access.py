"""How Better Auth's tables are reached, whichever database has them, for asyncio.

The one for threads is generated from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from coatcheck.stores.urls import SQLITE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.providers.better_auth.places import Place
    from coatcheck.providers.better_auth.reading import Found
    from coatcheck.providers.better_auth.tables import Tables


class AsyncAccess(Protocol):
    """The tables in one database."""

    async def open(self) -> None:
        """Look at them; raises ConfigurationError for those that are not as configured."""
        ...

    async def read(self, token: str) -> Found | None:
        """Return a token's session and its user, in one query."""
        ...

    async def sign_out(self, token: str) -> None:
        """Delete a token's session."""
        ...

    async def aclose(self) -> None:
        """Close every connection this process has made."""
        ...


def async_access(place: Place, tables: Tables, *, timeout: float, pool_size: int, prepared: bool) -> AsyncAccess:
    """Return the tables in a database; nothing is connected yet.

    Raises:
        ConfigurationError: Its driver is not installed, or understands no such URL.
    """
    made: AsyncAccess
    if place.kind is SQLITE:
        made = place.module("async_sqlite").AsyncSQLiteTables(place.where, tables, timeout=timeout)
        return made
    kind = place.module("async_postgresql").AsyncPostgreSQLTables
    made = kind(place.where, tables, timeout=timeout, pool_size=pool_size, prepared=prepared)
    return made


class AsyncTriggers(Protocol):
    """The triggers on the tables in one database."""

    async def install(self) -> bool:
        """Create what is missing or altered; returns whether anything was."""
        ...

    async def remove(self) -> bool:
        """Drop them; returns whether there were any."""
        ...

    async def problems(self) -> Sequence[str]:
        """Say what is missing or altered, each with the fix."""
        ...

    async def aclose(self) -> None:
        """Close every connection this process has made."""
        ...


def async_triggers(place: Place, tables: Tables, *, log_schema: str, timeout: float) -> AsyncTriggers:
    """Return the triggers on the tables in a database; nothing is connected yet.

    Raises:
        ConfigurationError: Its driver is not installed, or understands no such URL.
    """
    made: AsyncTriggers
    if place.kind is SQLITE:
        made = place.module("async_sqlite").AsyncSQLiteTriggers(place.where, tables, timeout=timeout)
        return made
    kind = place.module("async_postgresql").AsyncPostgreSQLTriggers
    made = kind(place.where, tables, log_schema=log_schema, timeout=timeout)
    return made

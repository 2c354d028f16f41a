# Generated from providers/better_auth/async_access.py by tools/generate_sync.py: edit that, run `make generate`.
"""How Better Auth's tables are reached, whichever database has them, for threads.

Generated from the asyncio side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from coatcheck.stores.urls import SQLITE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.providers.better_auth.places import Place
    from coatcheck.providers.better_auth.reading import Found
    from coatcheck.providers.better_auth.tables import Tables


class Access(Protocol):
    """The tables in one database."""

    def open(self) -> None:
        """Look at them; raises ConfigurationError for those that are not as configured."""
        ...

    def read(self, token: str) -> Found | None:
        """Return a token's session and its user, in one query."""
        ...

    def sign_out(self, token: str) -> None:
        """Delete a token's session."""
        ...

    def close(self) -> None:
        """Close every connection this process has made."""
        ...


def access(place: Place, tables: Tables, *, timeout: float, pool_size: int, prepared: bool) -> Access:
    """Return the tables in a database; nothing is connected yet.

    Raises:
        ConfigurationError: Its driver is not installed, or understands no such URL.
    """
    made: Access
    if place.kind is SQLITE:
        made = place.module("sqlite").SQLiteTables(place.where, tables, timeout=timeout)
        return made
    kind = place.module("postgresql").PostgreSQLTables
    made = kind(place.where, tables, timeout=timeout, pool_size=pool_size, prepared=prepared)
    return made


class Triggers(Protocol):
    """The triggers on the tables in one database."""

    def install(self) -> bool:
        """Create what is missing or altered; returns whether anything was."""
        ...

    def remove(self) -> bool:
        """Drop them; returns whether there were any."""
        ...

    def problems(self) -> Sequence[str]:
        """Say what is missing or altered, each with the fix."""
        ...

    def close(self) -> None:
        """Close every connection this process has made."""
        ...


def triggers(place: Place, tables: Tables, *, log_schema: str, timeout: float) -> Triggers:
    """Return the triggers on the tables in a database; nothing is connected yet.

    Raises:
        ConfigurationError: Its driver is not installed, or understands no such URL.
    """
    made: Triggers
    if place.kind is SQLITE:
        made = place.module("sqlite").SQLiteTriggers(place.where, tables, timeout=timeout)
        return made
    kind = place.module("postgresql").PostgreSQLTriggers
    made = kind(place.where, tables, log_schema=log_schema, timeout=timeout)
    return made

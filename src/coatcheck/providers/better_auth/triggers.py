# Generated from providers/better_auth/async_triggers.py by tools/generate_sync.py: edit that, run `make generate`.
"""Better Auth's own sign-outs at our speed, for threads. Generated from the asyncio side.

Triggers on its two tables write the invalidation log of the same database, in the transaction that ends or changes
something. No deletion typed by hand, and no other program, can go past them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Self

from coatcheck.core.refusals import refuse
from coatcheck.providers.better_auth.access import triggers
from coatcheck.providers.better_auth.places import place_of
from coatcheck.providers.better_auth.tables import Tables
from coatcheck.stores.users import PLAIN_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class BetterAuthTriggers:
    """The triggers on Better Auth's tables, in the database where coatcheck's log is too."""

    def __init__(
        self,
        url: str,
        *,
        session_table: str = "session",
        user_table: str = "user",
        schema: str = "public",
        columns: Mapping[str, str] | None = None,
        log_schema: str = "public",
        timeout: timedelta = timedelta(seconds=30),
    ) -> None:
        """Name the database; nothing is connected yet.

        Args:
            url: The database, as `postgresql://user:password@host/database` or `sqlite:///auth.db`. In PostgreSQL the
                user has to own Better Auth's tables, to be allowed CREATE in their schema, and to be allowed USAGE of
                coatcheck's schema.
            session_table: What Better Auth's table of sessions is called.
            user_table: What its table of users is called.
            schema: The schema of both; PostgreSQL only.
            columns: What columns are called that have another name than their field: see `Tables`. Those that count
                here are `id`, `expiresAt` and `updatedAt`.
            log_schema: The schema of coatcheck's tables; PostgreSQL only.
            timeout: How long it may take in all.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        if not PLAIN_NAME.fullmatch(log_schema):
            refuse("log_schema", log_schema, "use letters, digits and underscores")
        if not timedelta(seconds=1) <= timeout <= timedelta(hours=1):
            refuse("timeout", timeout, "use one second to one hour")
        tables = Tables(session=session_table, user=user_table, schema=schema, columns=columns or {})
        seconds = timeout.total_seconds()
        self._triggers = triggers(place_of(url), tables, log_schema=log_schema, timeout=seconds)

    def install(self) -> bool:
        """Create what is missing or altered, in one transaction; running it again does no harm.

        It waits two seconds at most for each lock, and then gives way, so that the application is not held up.

        Returns:
            Whether anything was missing or altered.

        Raises:
            ConfigurationError: A table of Better Auth's or the log is missing, or the user may not do this.
            Unavailable: The database did not answer, or somebody else held a lock for too long.
        """
        return self._triggers.install()

    def remove(self) -> bool:
        """Drop the triggers and their functions; to be done before coatcheck's own tables are dropped.

        Returns:
            Whether there were any.

        Raises:
            ConfigurationError: The user may not do this.
            Unavailable: The database did not answer, or somebody else held a lock for too long.
        """
        return self._triggers.remove()

    def problems(self) -> Sequence[str]:
        """Say what is missing or altered, each with the fix.

        Raises:
            ConfigurationError: A table of Better Auth's or the log is missing.
            Unavailable: The database did not answer.
        """
        return self._triggers.problems()

    def close(self) -> None:
        """Close every connection this has made."""
        self._triggers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

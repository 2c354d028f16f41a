"""Better Auth's tables in PostgreSQL, for asyncio. The one for threads is generated from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.core.refusals import refuse
from coatcheck.errors import ConfigurationError
from coatcheck.providers.better_auth.postgresql_triggers import COLUMNS, TriggerOperations
from coatcheck.providers.better_auth.reading import Questions, table_name
from coatcheck.providers.better_auth.sql import quoted
from coatcheck.stores.operations import Statement
from coatcheck.stores.postgresql.async_connections import AsyncConnections
from coatcheck.stores.postgresql.wire import connection_info

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.providers.better_auth.reading import Found
    from coatcheck.providers.better_auth.tables import Tables
    from coatcheck.stores.operations import Operation, Row


class AsyncPostgreSQLTables:
    """The tables of one database."""

    def __init__(self, url: str, tables: Tables, *, timeout: float, pool_size: int, prepared: bool) -> None:
        """Name the database; nothing is connected yet.

        Raises:
            ConfigurationError: The URL is none that PostgreSQL understands.
        """
        self._tables = tables
        self._connections = AsyncConnections(_info(url, timeout), size=pool_size, timeout=timeout, prepare=prepared)
        self._questions: Questions | None = None

    async def open(self) -> None:
        """Look at the tables.

        Raises:
            ConfigurationError: A table or a column is missing, or this user may not read it.
            Unavailable: The server does not answer.
        """
        await self._known()

    async def _known(self) -> Questions:
        if self._questions is None:
            self._questions = await self._connections.single(self._look, reads=True)
        return self._questions

    def _look(self) -> Operation[Questions]:
        tables = self._tables
        columns: dict[str, set[str]] = {}
        for model, table in (("session", tables.session), ("user", tables.user)):
            rows = yield Statement(COLUMNS, {"table": table_name(tables, "postgresql", table)})
            columns[model] = _readable(tables, model, table, rows)
        return Questions(tables, "postgresql", columns)

    async def read(self, token: str) -> Found | None:
        """Return a token's session and its user, in one query."""
        questions = self._questions or await self._known()
        return await self._connections.single(lambda: questions.read(token), reads=True)

    async def sign_out(self, token: str) -> None:
        """Delete a token's session."""
        questions = self._questions or await self._known()
        await self._connections.single(lambda: questions.sign_out(token))

    async def aclose(self) -> None:
        """Close every connection this process has made."""
        await self._connections.drain()


def _info(url: str, timeout: float) -> str:
    try:
        return connection_info(url, timeout)
    except ConfigurationError as error:
        raise ConfigurationError(str(error).replace("store URL", "url")) from None


class AsyncPostgreSQLTriggers:
    """The triggers on the tables of one database."""

    def __init__(self, url: str, tables: Tables, *, log_schema: str, timeout: float) -> None:
        """Name the database; nothing is connected yet.

        Raises:
            ConfigurationError: The URL is none that PostgreSQL understands.
        """
        self._triggers = TriggerOperations(tables, log_schema)
        self._connections = AsyncConnections(_info(url, timeout), size=1, timeout=timeout, prepare=False)

    async def install(self) -> bool:
        """Create what is missing or altered, in one transaction; returns whether anything was."""
        return await self._connections.transaction(self._triggers.install)

    async def remove(self) -> bool:
        """Drop them; returns whether there were any."""
        return await self._connections.transaction(self._triggers.remove)

    async def problems(self) -> Sequence[str]:
        """Say what is missing or altered, each with the fix."""
        return await self._connections.single(self._triggers.problems, reads=True)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connections.drain()


def _readable(tables: Tables, model: str, table: str, rows: Sequence[Row]) -> set[str]:
    """Return the columns that may be read; refuse a table of which a column that is needed may not."""
    hidden = {name for name, readable in rows if not readable}
    for column in tables.needed(model).values():
        if column in hidden:
            fix = (
                f"the user of the url may not read its column {column!r}: GRANT SELECT ON {quoted(table)} to that user"
            )
            refuse(f"{model}_table", table, fix)
    return {name for name, _ in rows} - hidden

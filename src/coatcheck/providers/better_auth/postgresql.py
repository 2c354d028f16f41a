# Generated from providers/better_auth/async_postgresql.py by tools/generate_sync.py: edit that, run `make generate`.
"""Better Auth's tables in PostgreSQL, for threads. Generated from the asyncio side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.core.refusals import refuse
from coatcheck.errors import ConfigurationError
from coatcheck.providers.better_auth.postgresql_triggers import COLUMNS, TriggerOperations
from coatcheck.providers.better_auth.reading import Questions, table_name
from coatcheck.providers.better_auth.sql import quoted
from coatcheck.stores.operations import Statement
from coatcheck.stores.postgresql.connections import Connections
from coatcheck.stores.postgresql.wire import connection_info

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.providers.better_auth.reading import Found
    from coatcheck.providers.better_auth.tables import Tables
    from coatcheck.stores.operations import Operation, Row


class PostgreSQLTables:
    """The tables of one database."""

    def __init__(self, url: str, tables: Tables, *, timeout: float, pool_size: int, prepared: bool) -> None:
        """Name the database; nothing is connected yet.

        Raises:
            ConfigurationError: The URL is none that PostgreSQL understands.
        """
        self._tables = tables
        self._connections = Connections(_info(url, timeout), size=pool_size, timeout=timeout, prepare=prepared)
        self._questions: Questions | None = None

    def open(self) -> None:
        """Look at the tables.

        Raises:
            ConfigurationError: A table or a column is missing, or this user may not read it.
            Unavailable: The server does not answer.
        """
        self._known()

    def _known(self) -> Questions:
        if self._questions is None:
            self._questions = self._connections.single(self._look, reads=True)
        return self._questions

    def _look(self) -> Operation[Questions]:
        tables = self._tables
        columns: dict[str, set[str]] = {}
        for model, table in (("session", tables.session), ("user", tables.user)):
            rows = yield Statement(COLUMNS, {"table": table_name(tables, "postgresql", table)})
            columns[model] = _readable(tables, model, table, rows)
        return Questions(tables, "postgresql", columns)

    def read(self, token: str) -> Found | None:
        """Return a token's session and its user, in one query."""
        questions = self._questions or self._known()
        return self._connections.single(lambda: questions.read(token), reads=True)

    def sign_out(self, token: str) -> None:
        """Delete a token's session."""
        questions = self._questions or self._known()
        self._connections.single(lambda: questions.sign_out(token))

    def close(self) -> None:
        """Close every connection this process has made."""
        self._connections.drain()


def _info(url: str, timeout: float) -> str:
    try:
        return connection_info(url, timeout)
    except ConfigurationError as error:
        raise ConfigurationError(str(error).replace("store URL", "url")) from None


class PostgreSQLTriggers:
    """The triggers on the tables of one database."""

    def __init__(self, url: str, tables: Tables, *, log_schema: str, timeout: float) -> None:
        """Name the database; nothing is connected yet.

        Raises:
            ConfigurationError: The URL is none that PostgreSQL understands.
        """
        self._triggers = TriggerOperations(tables, log_schema)
        self._connections = Connections(_info(url, timeout), size=1, timeout=timeout, prepare=False)

    def install(self) -> bool:
        """Create what is missing or altered, in one transaction; returns whether anything was."""
        return self._connections.transaction(self._triggers.install)

    def remove(self) -> bool:
        """Drop them; returns whether there were any."""
        return self._connections.transaction(self._triggers.remove)

    def problems(self) -> Sequence[str]:
        """Say what is missing or altered, each with the fix."""
        return self._connections.single(self._triggers.problems, reads=True)

    def close(self) -> None:
        """Close the connection."""
        self._connections.drain()


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

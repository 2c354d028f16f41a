"""Sessions that a library keeps in a table, of SQLite or PostgreSQL."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, unquote

from coatcheck.core.refusals import refuse
from coatcheck.errors import ConfigurationError, Unavailable
from coatcheck.importing.found import Stored
from coatcheck.stores.urls import POSTGRESQL, SQLITE, kind_of
from coatcheck.stores.users import PLAIN_NAME

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

_MARKS: Final = "coatcheck_imported"


class Table(NamedTuple):
    """A table of sessions.

    Attributes:
        key: The column with the key.
        columns: The others that are read.
        ends: Which of them says when a session ends; None for none.
        value: Which of them is the session; None for all of them.
    """

    key: str
    columns: tuple[str, ...]
    ends: str | None = None
    value: str | None = None


FLASK_SESSION: Final = Table("session_id", ("data", "expiry"), ends="expiry", value="data")
FASTAPI_USERS: Final = Table("token", ("user_id", "created_at"))


class SQLSource:
    """The rows of a table. What was taken is marked in a table of ours beside it, `coatcheck_imported`."""

    def __init__(self, url: str, name: str, schema: str | None, table: Table) -> None:
        """Connect.

        Raises:
            ConfigurationError: The URL is wrong, a name is none, or the driver is not installed.
            Unavailable: The database does not answer.
        """
        for setting, given in (("--table", name), ("--schema", schema)):
            if given is not None and not PLAIN_NAME.fullmatch(given):
                refuse(setting, given, "use letters, digits and underscores")
        self._table = table
        self._in = "" if schema is None else f'"{schema}".'
        self._name = f'{self._in}"{name}"'
        self._marks = f"{self._in}{_MARKS}"
        self._place = name
        self._connection, self._mark, self._driver_error = _connected(url)
        self._ready = False

    def stored(self, batch: int) -> Iterator[Stored]:
        """Yield what is there, in the order of the keys."""
        after = ""
        while rows := self._rows(after, batch):
            yield from map(self._stored, rows)
            after = str(rows[-1][0])

    def _rows(self, after: str, batch: int) -> Sequence[Sequence[Any]]:
        columns = ", ".join((self._table.key, *self._table.columns))
        sql = f"SELECT {columns} FROM {self._name} WHERE {self._table.key} > {self._mark} ORDER BY 1 LIMIT {batch:d}"  # noqa: S608 - names that were checked
        rows: Sequence[Sequence[Any]] = self._execute(sql, after).fetchall()
        return rows

    def _stored(self, row: Sequence[Any]) -> Stored:
        key, *rest = row
        found: dict[str, Any] = {
            name: moment_of(value) if name in {"created_at", "expiry"} else value
            for name, value in zip(self._table.columns, rest, strict=True)
        }
        ends = found[self._table.ends] if self._table.ends else None
        value = found if self._table.value is None else bytes(found[self._table.value] or b"")
        return Stored(str(key), value, ends)

    def is_taken(self, stored: Stored) -> bool:
        """Tell whether this session was taken before."""
        try:
            sql = f"SELECT 1 FROM {self._marks} WHERE token_hash = {self._mark}"  # noqa: S608 - a name of ours
            return bool(self._execute(sql, stored.mark).fetchall())
        except ConfigurationError:
            return False  # nothing was ever taken: there is no such table

    def take(self, stored: Stored) -> bool:
        """Mark a session as taken; False if it is already."""
        if not self._ready:
            self._execute(f"CREATE TABLE IF NOT EXISTS {self._marks} (token_hash VARCHAR(64) PRIMARY KEY)")
            self._ready = True
        sql = f"INSERT INTO {self._marks} VALUES ({self._mark}) ON CONFLICT DO NOTHING"  # noqa: S608 - a name of ours
        return bool(self._execute(sql, stored.mark).rowcount)

    def give_back(self, stored: Stored) -> None:
        """Take the mark away again."""
        self._execute(f"DELETE FROM {self._marks} WHERE token_hash = {self._mark}", stored.mark)  # noqa: S608 - a name of ours

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _execute(self, sql: str, *parameters: str) -> Any:
        with _answering(self._driver_error, self._place):
            return self._connection.execute(sql, parameters)


def _connected(url: str) -> tuple[Any, str, type[Exception]]:
    """Return a connection that commits each statement, its sign for a parameter, and its errors' base."""
    kind = kind_of(url.replace("sqlite+aiosqlite://", "sqlite://").replace("+asyncpg://", "://"), setting="--from")
    place = unquote(url.partition("://")[2][1:])
    if kind is SQLITE:
        with _answering(sqlite3.Error, place):
            name = f"file:{quote(place)}?mode=rw"  # which makes no file where there is none
            return sqlite3.connect(name, uri=True, isolation_level=None), "?", sqlite3.Error
    if kind is not POSTGRESQL:
        refuse("--from", url.partition("://")[0] + "://…", "this library keeps no sessions there")
    try:
        import psycopg  # noqa: PLC0415 - this driver is an extra
    except ImportError as error:
        msg = "PostgreSQL needs its driver: pip install 'coatcheck[postgresql]'"
        raise ConfigurationError(msg) from error
    with _answering(psycopg.Error, "the database"):
        return psycopg.connect("postgresql://" + url.partition("://")[2], autocommit=True), "%s", psycopg.Error


@contextmanager
def _answering(driver_error: type[Exception], place: str) -> Generator[None]:
    try:
        yield
    except driver_error as error:
        said = str(error).partition("\n")[0]
        if "no such" in said or "does not exist" in said:
            msg = f"--from names no table {place!r} as this library has it ({said}): give --table, or --schema"
            raise ConfigurationError(msg) from None
        msg = f"the database with the old sessions did not answer: {said}"
        raise Unavailable(msg) from None


def moment_of(value: Any) -> datetime | None:
    """Return a time of such a table, aware: these libraries write UTC, whether they say so or not."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

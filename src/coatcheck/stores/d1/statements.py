"""SQLite's statements in the form that D1 takes: numbered parameters, and conditions where SQLite has a transaction.

D1 has no interactive transactions, only batches that run as one. So a statement of a batch that depends on what an
earlier one did asks the database for it, in the place that SQLite's text leaves for a condition.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coatcheck.errors import DataError
from coatcheck.stores.sqlite.pages import KEEP_LOG
from coatcheck.stores.sqlite.statements import Statements, filled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.stores.operations import Statement
    from coatcheck.stores.users import UsersTable

_FOLDER: Final = files("coatcheck.stores.d1") / "sql"
_OWN: Final = ("poll", "schema", "move", "replaced_data", "user_exists")

_ALIVE: Final = "AND idle_expires_at > :now AND (expires_at IS NULL OR expires_at > :now)"
_INSERTED: Final = "AND EXISTS (SELECT 1 FROM coatcheck_sessions WHERE id = :inserted)"

_CONDITIONS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    # The replaced session still stands there and does not count; and its data must be what was carried over.
    "insert_as_seen": (
        "insert",
        {
            "counted_if": "AND token_hash IS NOT :replaces",
            "if": "AND (:carries = 0 OR :seen IS"
            " (SELECT data FROM coatcheck_sessions WHERE token_hash = :replaces AND user_id IS NULL)) /*user_exists*/",
        },
    ),
    "end_replaced": ("end_token", {"if": _INSERTED}),
    "evict_for_inserted": ("evict", {"if": _INSERTED}),
    # Before the session is marked as bound, for afterwards nobody could tell who has done it.
    "add_device_to_unbound": (
        "add_device",
        {"if": f"FROM coatcheck_sessions WHERE id = :session_id AND NOT device_bound {_ALIVE}"},
    ),
    "insert_acting_of_user": ("insert_acting", {"if": "/*user_exists*/"}),
    "save_as_seen": ("save_data", {"if": f"AND data = :seen {_ALIVE}"}),
}

_NONE: Final[Mapping[str, str]] = {}

# D1's own clock, where no test has another: all Workers are judged by one.
_CLOCK: Final = {
    "now": "(CAST(unixepoch('subsec') * 1000000 AS INTEGER))",
    "before": f"(unixepoch() - {KEEP_LOG})",
}

_PARTS: Final = re.compile(r"'(?:[^']|'')*'|--[^\n]*\n?|/\*.*?\*/|:([a-z_]+)", re.DOTALL)


class Prepared(NamedTuple):
    """A statement as D1 takes it: its text, and the values of its parameters in order."""

    sql: str
    values: tuple[Any, ...]


class D1Statements:
    """The statements as one configuration needs them."""

    def __init__(self, users: UsersTable | None, *, own_clock: bool) -> None:
        """Read them all, so that none is read when a request waits.

        Args:
            users: The application's users table.
            own_clock: Whether the database's clock says what time it is; otherwise each statement is told.
        """
        self._users = users
        self._shared = Statements(users)
        self._clock = _CLOCK if own_clock else {}

    def __getitem__(self, name: str) -> str:
        """Return a statement with named parameters."""
        if name in _OWN:
            return filled(_own(name), self._users)
        source, conditions = _CONDITIONS.get(name, (name, _NONE))
        sql = self._shared[source]
        for place, condition in conditions.items():
            sql = sql.replace(f"/*{place}*/", condition)
        if self._users is not None and "/*user_exists*/" in sql:
            question = self["user_exists"].partition("SELECT ")[2].strip()
            sql = sql.replace("/*user_exists*/", f"AND ({question})")
        return sql

    def prepared(self, statement: Statement) -> Prepared:
        """Return a statement with numbered parameters, and their values."""
        return prepared(statement, self._clock)


def prepared(statement: Statement, expressions: Mapping[str, str] = _NONE) -> Prepared:
    """Return a statement with numbered parameters, and their values; some may be expressions of the database's."""
    sql, names = _numbered(statement.sql, tuple(expressions.items()))
    return Prepared(sql, tuple(_plain(statement.parameters[name]) for name in names))


@cache
def _own(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


@cache
def _numbered(sql: str, expressions: tuple[tuple[str, str], ...]) -> tuple[str, tuple[str, ...]]:
    names: list[str] = []
    known = dict(expressions)

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "" if match[0].startswith("--") else match[0]
        if name in known:
            return known[name]
        if name not in names:
            names.append(name)
        return f"?{names.index(name) + 1}"

    return _PARTS.sub(replaced, sql), tuple(names)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            msg = f"text with half of a surrogate pair cannot be stored: {error.reason}"
            raise DataError(msg) from None
    return int(value) if isinstance(value, bool) else value

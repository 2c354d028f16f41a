"""What is asked of Better Auth's tables, as operations: whose session a token is, and to end it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from coatcheck.providers.better_auth.sql import filled, quoted
from coatcheck.providers.better_auth.tables import FLAGS
from coatcheck.stores.operations import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.providers.better_auth.tables import Tables
    from coatcheck.stores.operations import Operation

    Found = tuple[dict[str, Any], dict[str, Any]]

Dialect = Literal["postgresql", "sqlite"]

_COLUMNS = (
    "SELECT 'session' AS model, name FROM pragma_table_xinfo(:session)"
    " UNION ALL SELECT 'user', name FROM pragma_table_xinfo(:user)"
)

_OBJECT = {"postgresql": "jsonb_build_object({})::text", "sqlite": "json_object({})"}


class Questions:
    """The statements for the tables of one database, once it is known which columns they have."""

    def __init__(self, tables: Tables, dialect: Dialect, columns: Mapping[str, set[str]]) -> None:
        """Fill them in.

        Args:
            tables: What the tables are called.
            dialect: Of which kind the database is.
            columns: The columns of "session" and of "user" that it has.

        Raises:
            ConfigurationError: A table is missing, or a column that is needed or named.
        """
        fields = {model: tables.read(model, columns[model]) for model in ("session", "user")}
        words = {
            "sessions": table_name(tables, dialect, tables.session),
            "users": table_name(tables, dialect, tables.user),
            "session": _json(dialect, "s", fields["session"]),
            "user": _json(dialect, "u", fields["user"]),
            "id": quoted(tables.column("user", "id")),
            "user_id": quoted(tables.column("session", "userId")),
            "token": quoted(tables.column("session", "token")),
        }
        self._read = filled("read", words)
        self._sign_out = filled("sign_out", words)

    def read(self, token: str) -> Operation[Found | None]:
        """Return the fields of a session and of its user; None if there is no such session, or no such user."""
        rows = yield Statement(self._read, {"token": token})
        if not rows:
            return None
        session, user = map(json.loads, rows[0])
        # A column may compare without regard to case; a token is the same or it is another one.
        return (session, _with_flags(user)) if session["token"] == token else None

    def sign_out(self, token: str) -> Operation[None]:
        """Delete a session."""
        yield Statement(self._sign_out, {"token": token})


def questions_of(tables: Tables) -> Operation[Questions]:
    """Return the statements for the tables of a SQLite database, after a look at them.

    Raises:
        ConfigurationError: A table is missing, or a column that is needed or named.
    """
    names = {"session": tables.session, "user": tables.user}
    rows = yield Statement(_COLUMNS, names)
    columns = {model: {name for of, name in rows if of == model} for model in names}
    return Questions(tables, "sqlite", columns)


def table_name(tables: Tables, dialect: Dialect, table: str) -> str:
    """Return a table's name in full, as statements have it."""
    return f"{quoted(tables.schema)}.{quoted(table)}" if dialect == "postgresql" else quoted(table)


def _json(dialect: Dialect, alias: str, fields: Mapping[str, str]) -> str:
    pairs = ", ".join(f"'{name}', {alias}.{quoted(column)}" for name, column in fields.items())
    return _OBJECT[dialect].format(pairs)


def _with_flags(user: dict[str, Any]) -> dict[str, Any]:
    for name in FLAGS & user.keys():
        if user[name] in (0, 1):
            user[name] = bool(user[name])
    return user

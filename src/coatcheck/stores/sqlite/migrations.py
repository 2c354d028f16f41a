"""Bringing the tables and triggers to this release's form, and saying what is wrong with them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from coatcheck.errors import ConfigurationError, SchemaError
from coatcheck.stores.sqlite.database import check_file, connect, translated
from coatcheck.stores.sqlite.statements import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck.stores.users import UsersTable

MIGRATIONS = ("0001_sessions",)
"""The steps in order; step n brings the schema to version n."""

_BUSY = 30.0


def migrate(path: str, users: UsersTable | None) -> list[str]:
    """Run the missing steps and renew the triggers, in one transaction; safe while others use the file.

    Returns:
        The names of the steps that ran.

    Raises:
        ConfigurationError: The file cannot be used, or the users table does not fit.
        SchemaError: The tables were written by a newer release.
    """
    check_file(path)
    with closing(_opened(path)) as connection, translated(path):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            ran = _migrate(connection, path, users)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return ran


def _opened(path: str) -> sqlite3.Connection:
    connection = connect(path, _BUSY)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except sqlite3.DatabaseError as error:
        connection.close()
        msg = f"database={path!r} is not possible: the file is no SQLite database ({error}); name another file"
        raise ConfigurationError(msg) from error
    return connection


def _migrate(connection: sqlite3.Connection, path: str, users: UsersTable | None) -> list[str]:
    missing = MIGRATIONS[version(connection, path) :]
    for name in missing:
        for statement in _statements(text(f"migrations/{name}").replace("/*foreign_key*/", _reference(users))):
            connection.execute(statement)
    _add_foreign_key(connection, users)
    connection.execute("UPDATE coatcheck_meta SET schema = ?", (len(MIGRATIONS),))
    for name in _trigger_names(connection):
        connection.execute(f"DROP TRIGGER {name}")
    for statement in trigger_statements(connection, users):
        connection.execute(statement)
    return list(missing)


def version(connection: sqlite3.Connection, path: str) -> int:
    """Return the schema's version, 0 for none.

    Raises:
        SchemaError: It is newer than this release.
    """
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'coatcheck_meta'").fetchall():
        return 0
    found: int = connection.execute("SELECT schema FROM coatcheck_meta").fetchall()[0][0]
    if found > len(MIGRATIONS):
        msg = f"database={path!r} has schema {found}, newer than {len(MIGRATIONS)} of this release; upgrade coatcheck"
        raise SchemaError(msg)
    return found


def _reference(users: UsersTable | None) -> str:
    if users is None or not users.foreign_key:
        return ""
    return f"REFERENCES {users.table} ({users.id}) ON DELETE CASCADE"


def _add_foreign_key(connection: sqlite3.Connection, users: UsersTable | None) -> None:
    """Rebuild the sessions table with its foreign key, which SQLite cannot add to a table that exists."""
    if not _reference(users) or connection.execute("PRAGMA foreign_key_list(coatcheck_sessions)").fetchall():
        return
    for name in _trigger_names(connection):
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("ALTER TABLE coatcheck_sessions RENAME TO coatcheck_sessions_old")
    for (index,) in connection.execute(
        "SELECT name FROM sqlite_schema "
        "WHERE type = 'index' AND tbl_name = 'coatcheck_sessions_old' AND sql IS NOT NULL"
    ).fetchall():
        connection.execute(f"DROP INDEX {index}")
    for statement in _statements(text("migrations/0001_sessions").replace("/*foreign_key*/", _reference(users))):
        if "coatcheck_sessions" in statement:
            connection.execute(statement)
    connection.execute("INSERT INTO coatcheck_sessions SELECT * FROM coatcheck_sessions_old")
    connection.execute("DROP TABLE coatcheck_sessions_old")


def trigger_statements(connection: sqlite3.Connection, users: UsersTable | None) -> list[str]:
    """Return the CREATE TRIGGER statements that this configuration needs."""
    statements = list(_statements(text("triggers")))
    if users is not None:
        filled = (
            text("users_triggers")
            .replace("/*users*/", users.table)
            .replace("/*id*/", users.id)
            .replace("/*columns*/", ", ".join((users.id, *users.columns())))
            .replace("/*conflicts*/", _conflicts(connection, users))
        )
        statements += _statements(filled)
    return statements


def _conflicts(connection: sqlite3.Connection, users: UsersTable) -> str:
    """Return the condition under which a users row stands in the way of a new one: any unique key."""
    columns = connection.execute(f"PRAGMA table_info({users.table})").fetchall()
    _check_columns(users, {column[1] for column in columns})
    keys = {tuple(column[1] for column in sorted(columns, key=lambda c: c[5]) if column[5])}
    for _, name, unique, *_ in connection.execute(f"PRAGMA index_list({users.table})").fetchall():
        if unique:
            keys.add(tuple(row[2] for row in connection.execute(f"PRAGMA index_info({name})").fetchall()))
    # The name of an expression in an index is None: such a key cannot be compared here.
    usable = sorted(key for key in keys if key and None not in key)
    return " OR ".join("(" + " AND ".join(f'"{column}" = NEW."{column}"' for column in key) + ")" for key in usable)


def _check_columns(users: UsersTable, found: set[str]) -> None:
    if not found:
        msg = f"users table={users.table!r} does not exist in this database; create it first or name another"
        raise ConfigurationError(msg)
    missing = [column for column in (users.id, *users.columns()) if column not in found]
    if missing:
        fix = "set that field of UsersTable to the right column, or to None"
        msg = f"users table={users.table!r} has no column {', '.join(missing)}; {fix}"
        raise ConfigurationError(msg)


def _trigger_names(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'coatcheck\\_%' ESCAPE '\\'"
    )
    return [name for (name,) in rows.fetchall()]


def problems(path: str, users: UsersTable | None) -> list[str]:
    """Say what is missing or unsafe in the database, each with the fix."""
    check_file(path)
    with closing(_opened(path)) as connection, translated(path):
        found = version(connection, path)
        if found < len(MIGRATIONS):
            return [f"the schema is version {found} of {len(MIGRATIONS)}: run `coatcheck migrate`"]
        return list(_problems(connection, users))


def _problems(connection: sqlite3.Connection, users: UsersTable | None) -> Iterator[str]:
    mode = connection.execute("PRAGMA journal_mode").fetchall()[0][0]
    if mode != "wal":
        yield f"journal_mode is {mode}: readers would wait for writers; run `coatcheck migrate`"
    rows = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    present = {_normal(sql) for (sql,) in rows}
    for statement in trigger_statements(connection, users):
        if _normal(statement) not in present:
            name = statement.split("CREATE TRIGGER ", 1)[1].split()[0]
            yield f"trigger {name} is missing or altered, so changes by hand are not seen: run `coatcheck migrate`"
    if _reference(users) and not connection.execute("PRAGMA foreign_key_list(coatcheck_sessions)").fetchall():
        yield "the foreign key to the users table is missing: run `coatcheck migrate`"


def _normal(sql: str) -> str:
    return " ".join(line for line in sql.split() if line).rstrip(";").removesuffix(" ")


def _statements(script: str) -> Iterator[str]:
    """Split a script, without its comments; a trigger's body holds semicolons of its own."""
    lines = [line for line in script.splitlines() if line and not line.lstrip().startswith("--")]
    statement = ""
    for line in lines:
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""


def verify(path: str, users: UsersTable | None) -> None:
    """Refuse a database that a process must not start on.

    Raises:
        SchemaError: Something is missing, altered, older or newer; the message says what and how to fix it.
    """
    found = problems(path, users)
    if found:
        msg = f"database={path!r} is not ready: {'; '.join(found)}"
        raise SchemaError(msg)

"""Bringing the tables and triggers to this release's form, and saying what is wrong with them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

from coatcheck.errors import ConfigurationError, SchemaError, Unavailable
from coatcheck.stores.sqlite.database import check_file, connect, translated
from coatcheck.stores.sqlite.keys import columns_of, conflicts, unique_columns
from coatcheck.stores.sqlite.schema import migration_statements, name_of, normal, reference
from coatcheck.stores.sqlite.schema import trigger_statements as statements_for
from coatcheck.stores.steps import MIGRATIONS
from coatcheck.stores.users import check_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck.stores.users import UsersTable

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
    with closing(_opened(path, create=True)) as connection, translated(path):
        _write_ahead(connection, path)
        connection.execute("BEGIN IMMEDIATE")
        try:
            ran = _migrate(connection, path, users)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return ran


def _opened(path: str, *, create: bool = False) -> sqlite3.Connection:
    try:
        # The first statement that reads the file is inside: it is what finds out that it is no database.
        return connect(path, _BUSY, create=create)
    except sqlite3.OperationalError as error:
        msg = f"the database {path} did not answer: {error}"
        raise Unavailable(msg) from error
    except sqlite3.DatabaseError as error:
        msg = f"database={path!r} is not possible: the file is no SQLite database ({error}); name another file"
        raise ConfigurationError(msg) from error


def _write_ahead(connection: sqlite3.Connection, path: str) -> None:
    """Switch the file to a write-ahead log, which it then keeps."""
    deadline = monotonic() + _BUSY
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchall()[0][0]
        except sqlite3.OperationalError:
            # Another process is switching it too; SQLite does not wait here, whatever the busy timeout says.
            if monotonic() > deadline:
                raise
            sleep(0.01)
            continue
        if mode != "wal":
            msg = f"database={path!r} is not possible: SQLite cannot keep a write-ahead log there ({mode}); move it"
            raise ConfigurationError(msg)
        return


def _migrate(connection: sqlite3.Connection, path: str, users: UsersTable | None) -> list[str]:
    missing = MIGRATIONS[version(connection, path) :]
    for name in missing:
        for statement in migration_statements(name, users):
            connection.execute(statement)
    if missing:
        connection.execute("UPDATE coatcheck_meta SET schema = ?", (len(MIGRATIONS),))
    _add_foreign_key(connection, users)
    _renew_triggers(connection, users)
    return list(missing)


def script(connection: sqlite3.Connection, users: UsersTable | None) -> list[str]:
    """Return the statements that make everything in a database without it, for those who want to read them first."""
    made = [statement for name in MIGRATIONS for statement in migration_statements(name, users)]
    version = f"UPDATE coatcheck_meta SET schema = {len(MIGRATIONS)};"  # noqa: S608 - a number of ours
    return ["PRAGMA journal_mode = WAL;", *made, version, *trigger_statements(connection, users)]


def _renew_triggers(connection: sqlite3.Connection, users: UsersTable | None) -> None:
    """Create what is missing or altered; every change of the schema makes all processes start anew."""
    wanted = trigger_statements(connection, users)
    present = _triggers(connection)
    if users is None:
        # Whoever comes without a users table, as a script with a mere URL does, must not take away its triggers.
        present = {name: sql for name, sql in present.items() if not name.startswith("coatcheck_user_")}
    if {normal(sql) for sql in present.values()} == {normal(sql) for sql in wanted}:
        return
    for name in present:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in wanted:
        connection.execute(statement)


def version(connection: sqlite3.Connection, path: str) -> int:
    """Return the schema's version, 0 for none.

    Raises:
        SchemaError: It is newer than this release.
    """
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'coatcheck_meta'").fetchall():
        return 0
    rows = connection.execute("SELECT schema FROM coatcheck_meta").fetchall()
    if not rows:
        msg = f"database={path!r}: the row of coatcheck_meta has been deleted; drop the coatcheck tables and migrate"
        raise SchemaError(msg)
    found: int = rows[0][0]
    if found > len(MIGRATIONS):
        msg = f"database={path!r} has schema {found}, newer than {len(MIGRATIONS)} of this release; upgrade coatcheck"
        raise SchemaError(msg)
    return found


def _add_foreign_key(connection: sqlite3.Connection, users: UsersTable | None) -> None:
    """Rebuild the sessions table with its foreign key, which SQLite cannot add to a table that exists."""
    if not reference(users) or connection.execute("PRAGMA foreign_key_list(coatcheck_sessions)").fetchall():
        return
    for name in _triggers(connection):
        connection.execute(f"DROP TRIGGER {name}")
    [table] = [each for each in migration_statements("0001_sessions", users) if "TABLE coatcheck_sessions" in each]
    indexes = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'coatcheck_sessions' AND sql IS NOT NULL"
    ).fetchall()
    # In this order and in the older manner: the application's own views must go on meaning this table.
    connection.execute("PRAGMA legacy_alter_table = ON")
    connection.execute(table.replace("coatcheck_sessions", "coatcheck_sessions_new", 1))
    for statement in _added_columns(users):
        connection.execute(statement.replace("coatcheck_sessions", "coatcheck_sessions_new", 1))
    connection.execute("INSERT INTO coatcheck_sessions_new SELECT * FROM coatcheck_sessions")
    connection.execute("DROP TABLE coatcheck_sessions")
    connection.execute("ALTER TABLE coatcheck_sessions_new RENAME TO coatcheck_sessions")
    for (statement,) in indexes:
        connection.execute(statement)


def _added_columns(users: UsersTable | None) -> Iterator[str]:
    """Yield the statements by which later steps than the first have added columns, in their order."""
    for name in MIGRATIONS[1:]:
        yield from (each for each in migration_statements(name, users) if each.startswith("ALTER TABLE coatcheck_ses"))


def trigger_statements(connection: sqlite3.Connection, users: UsersTable | None) -> list[str]:
    """Return the CREATE TRIGGER statements that this configuration needs."""
    if users is None:
        return statements_for(None, "")
    _check_users(connection, users)
    return statements_for(users, conflicts(connection, users.table))


def _check_users(connection: sqlite3.Connection, users: UsersTable) -> None:
    check_columns(users, columns_of(connection, users.table))
    if users.foreign_key and (users.id,) not in unique_columns(connection, users.table):
        fix = "make it so, or set foreign_key=False"
        msg = f"users id={users.id!r} is neither primary key nor unique, so a foreign key cannot name it; {fix}"
        raise ConfigurationError(msg)


def _triggers(connection: sqlite3.Connection) -> dict[str, str]:
    # Those on the tables of a provider are not of this schema, and their own command looks after them.
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'coatcheck\\_%' ESCAPE '\\'"
        " AND name NOT LIKE 'coatcheck\\_better\\_auth\\_%' ESCAPE '\\'"
    )
    return dict(rows.fetchall())


def problems(path: str, users: UsersTable | None) -> list[str]:
    """Say what is missing or unsafe in the database, each with the fix."""
    check_file(path)
    if not Path(path).exists():
        return ["there is no such file: run `coatcheck migrate`"]
    with closing(_opened(path)) as connection, translated(path):
        found = version(connection, path)
        if found < len(MIGRATIONS):
            return [f"the schema is version {found} of {len(MIGRATIONS)}: run `coatcheck migrate`"]
        return list(_problems(connection, users))


def _problems(connection: sqlite3.Connection, users: UsersTable | None) -> Iterator[str]:
    mode = connection.execute("PRAGMA journal_mode").fetchall()[0][0]
    if mode != "wal":
        yield f"journal_mode is {mode}: readers would wait for writers; run `coatcheck migrate`"
    if connection.execute("SELECT quiet FROM coatcheck_meta").fetchall()[0][0]:
        yield "quiet is set in coatcheck_meta, so deletions by hand are not seen: UPDATE coatcheck_meta SET quiet = 0"
    present = {normal(sql) for sql in _triggers(connection).values()}
    for statement in trigger_statements(connection, users):
        if normal(statement) not in present:
            name = name_of(statement)
            yield f"trigger {name} is missing or altered, so changes by hand are not seen: run `coatcheck migrate`"
    if reference(users) and not connection.execute("PRAGMA foreign_key_list(coatcheck_sessions)").fetchall():
        yield "the foreign key to the users table is missing: run `coatcheck migrate`"


def verify(path: str, users: UsersTable | None) -> None:
    """Refuse a database that a process must not start on.

    Raises:
        SchemaError: Something is missing, altered, older or newer; the message says what and how to fix it.
    """
    found = problems(path, users)
    if found:
        msg = f"database={path!r} is not ready: {'; '.join(found)}"
        raise SchemaError(msg)

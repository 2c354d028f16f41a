"""Bringing the tables and triggers to this release's form, and saying what is wrong with them: as operations.

Every statement takes its lock for a moment only, and does not queue for it: `lock_timeout` ends the attempt before the
application's own statements pile up behind it, and the whole is tried again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coatcheck.errors import ConfigurationError, SchemaError
from coatcheck.stores.operations import Statement
from coatcheck.stores.postgresql.installed import (
    install,
    missing_triggers,
    one_at_a_time,
    split,
    wanted_triggers,
    wrong_functions,
)
from coatcheck.stores.postgresql.statements import Statements, text
from coatcheck.stores.steps import MIGRATIONS
from coatcheck.stores.users import check_columns

if TYPE_CHECKING:
    from coatcheck.stores.operations import Operation
    from coatcheck.stores.postgresql.installed import Wanted
    from coatcheck.stores.users import UsersTable


OLDEST: Final = 140_000
"""PostgreSQL 14."""

_BATCH: Final = 10_000


class Migration:
    """The tables of one configuration."""

    def __init__(self, statements: Statements, *, notify: bool) -> None:
        """Keep what is wanted.

        Args:
            statements: The statements, with schema and users table.
            notify: Whether a grown log notifies; two-phase commit refuses transactions that do.
        """
        self._sql = statements
        self._users = statements.users
        self._notify = notify

    # --- looking

    def user_type(self) -> Operation[str]:
        """Return the SQL type of the sessions' user ids."""
        rows = yield from self._column_type(f'"{self._sql.schema}".coatcheck_sessions', "user_id")
        return rows or "text"

    def _column_type(self, table: str, column: str) -> Operation[str | None]:
        rows = yield Statement(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = to_regclass(:table) AND attname = :column AND NOT attisdropped",
            {"table": table, "column": column},
        )
        return rows[0][0] if rows else None

    def problems(self) -> Operation[list[str]]:
        """Say what is missing or unsafe, each with the fix."""
        version = yield from self.version()
        if version < len(MIGRATIONS):
            return [f"the schema is version {version} of {len(MIGRATIONS)}: run `coatcheck migrate`"]
        found = yield from wrong_functions(self._sql.schema, self._functions())
        problems = [
            f"function {name} is missing or altered, so changes by hand may not be seen: run `coatcheck migrate`"
            for name in found
        ]
        for wanted in (yield from self._missing_triggers()):
            what = f"trigger {wanted.name} on {wanted.table} is missing, altered or not ENABLE ALWAYS"
            problems.append(f"{what}, so changes by hand are not seen: run `coatcheck migrate`")
        if not self._notify and (yield from self._notifies()):
            problems.append("trigger coatcheck_logged notifies although notify=False: run `coatcheck migrate`")
        if self._wants_foreign_key() and not (yield from self._has_foreign_key(checked=True)):
            problems.append("the foreign key to the users table is missing or unchecked: run `coatcheck migrate`")
        return problems

    def version(self) -> Operation[int]:
        """Return the schema's version, 0 for none.

        Raises:
            SchemaError: It is newer than this release.
            ConfigurationError: The server is older than PostgreSQL 14.
        """
        # Looked up and not resolved by name: the server may remember that a name was nothing a moment ago.
        rows = yield Statement(
            "SELECT current_setting('server_version_num')::integer, EXISTS ("
            "SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE n.nspname = :schema AND c.relname = 'coatcheck_meta')",
            {"schema": self._sql.schema},
        )
        number, there = rows[0]
        if number < OLDEST:
            msg = f"the server is PostgreSQL {number // 10_000}; use 14 or newer"
            raise ConfigurationError(msg)
        if not there:
            return 0
        rows = yield Statement(self._sql.filled("SELECT schema FROM /*schema*/coatcheck_meta"), {})
        if not rows:
            msg = "the row of coatcheck_meta has been deleted; drop the coatcheck tables and run `coatcheck migrate`"
            raise SchemaError(msg)
        version: int = rows[0][0]
        if version > len(MIGRATIONS):
            msg = f"the schema is version {version}, newer than {len(MIGRATIONS)} of this release; upgrade coatcheck"
            raise SchemaError(msg)
        return version

    # --- changing

    def run(self) -> Operation[list[str]]:
        """Run the missing steps and renew functions and triggers, in one transaction; returns the steps that ran."""
        yield from one_at_a_time(self._sql.schema)
        missing: list[str] = list(MIGRATIONS[(yield from self.version()) :])
        user_type = yield from self._checked_user_type(new=bool(missing))
        if missing:
            yield from self._make_schema()
        for name in missing:
            script = text(f"migrations/{name}").replace("/*user_column*/", self._user_column(user_type))
            for statement in split(self._sql.filled(script)):
                yield Statement(statement, {})
        if missing:
            update = self._sql.filled("UPDATE /*schema*/coatcheck_meta SET schema = :version")
            yield Statement(update, {"version": len(MIGRATIONS)})
        if missing or (yield from wrong_functions(self._sql.schema, self._functions())):
            for statement in self._functions():
                yield Statement(statement, {})
        yield from install((yield from self._missing_triggers()))
        if not self._notify:
            drop = self._sql.filled("DROP TRIGGER IF EXISTS coatcheck_logged ON /*schema*/coatcheck_log")
            yield Statement(drop, {})
        return missing

    def _make_schema(self) -> Operation[None]:
        # IF NOT EXISTS would ask for the right to create schemas, also where there is nothing to create.
        rows = yield Statement("SELECT to_regnamespace(:schema) IS NULL", {"schema": f'"{self._sql.schema}"'})
        if rows[0][0]:
            yield Statement(f'CREATE SCHEMA IF NOT EXISTS "{self._sql.schema}"', {})

    def _user_column(self, user_type: str) -> str:
        return 'text COLLATE "C"' if user_type == "text" else user_type

    def _checked_user_type(self, *, new: bool) -> Operation[str]:
        """Return the type of user ids: that of the users table's key, which they must be comparable with."""
        if self._users is None:
            return (yield from self.user_type())
        yield from self._check_users(self._users)
        wanted = yield from self._column_type(f'"{self._users.table}"', self._users.id)
        wanted = "text" if wanted is None or wanted.startswith("character") else wanted
        if new:
            return wanted
        present = yield from self.user_type()
        if present != wanted:
            table = f'"{self._sql.schema}".coatcheck_sessions'
            column = self._user_column(wanted)
            change = f"ALTER TABLE {table} ALTER COLUMN user_id TYPE {column} USING user_id::{wanted}"
            fix = f"DROP TRIGGER coatcheck_updated ON {table}; {change}; and run `coatcheck migrate`"
            msg = f"users id={self._users.id!r} is {wanted}, but sessions hold user ids as {present}: {fix}"
            raise ConfigurationError(msg)
        return present

    def _check_users(self, users: UsersTable) -> Operation[None]:
        rows = yield Statement(
            "SELECT attname::text FROM pg_attribute"
            " WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped",
            {"table": f'"{users.table}"'},
        )
        check_columns(users, {row[0] for row in rows})

    def foreign_key(self) -> Operation[bool]:
        """Add the foreign key without a check, which needs no look at the rows; returns whether it was missing.

        `validate` looks at them later, while everybody goes on writing; until then only new rows are held to it.
        """
        users = self._users
        if users is None or not users.foreign_key:
            return False
        yield from one_at_a_time(self._sql.schema)
        if (yield from self._has_foreign_key(checked=False)):
            return False
        yield Statement(
            f'ALTER TABLE "{self._sql.schema}".coatcheck_sessions ADD CONSTRAINT coatcheck_sessions_user_fkey'
            f' FOREIGN KEY (user_id) REFERENCES "{users.table}" ("{users.id}")'
            " ON DELETE CASCADE NOT VALID",
            {},
        )
        return True

    def unchecked(self) -> Operation[bool]:
        """Tell whether there is a foreign key that older rows have not been held to."""
        if not self._wants_foreign_key():
            return False
        return not (yield from self._has_foreign_key(checked=True))

    def orphans(self) -> Operation[int]:
        """Remove some sessions of users that are not there, which are refused already; returns how many."""
        return len((yield Statement(self._sql["orphans"], {"batch": _BATCH})))

    def validate(self) -> Operation[None]:
        """Check the rows that were there before the foreign key; takes no lock that stops writers."""
        table = f'"{self._sql.schema}".coatcheck_sessions'
        yield Statement(f"ALTER TABLE {table} VALIDATE CONSTRAINT coatcheck_sessions_user_fkey", {})

    def _wants_foreign_key(self) -> bool:
        return self._users is not None and self._users.foreign_key

    def _has_foreign_key(self, *, checked: bool) -> Operation[bool]:
        rows = yield Statement(
            "SELECT 1 FROM pg_constraint WHERE contype = 'f' AND conrelid = to_regclass(:table)"
            " AND (convalidated OR NOT CAST(:checked AS boolean))",
            {"table": f'"{self._sql.schema}".coatcheck_sessions', "checked": checked},
        )
        return bool(rows)

    # --- functions and triggers

    def _functions(self) -> list[str]:
        script = self._sql.filled(text("functions"))
        parts = list(split(script))
        # Without a users table nobody needs the function for its trigger, and it could not be written.
        return [part for part in parts if self._users is not None or "coatcheck_user_changed" not in part]

    def _notifies(self) -> Operation[bool]:
        rows = yield Statement(
            "SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass(:table) AND tgname = 'coatcheck_logged'",
            {"table": f'"{self._sql.schema}".coatcheck_log'},
        )
        return bool(rows)

    def _missing_triggers(self) -> Operation[list[Wanted]]:
        """Return the triggers that this configuration needs and that are not as they have to be."""
        script = text("triggers") + (text("users_triggers") if self._users is not None else "")
        parts = [part for part in split(self._sql.filled(script)) if self._notify or "coatcheck_logged" not in part]
        return (yield from missing_triggers((yield from wanted_triggers(parts))))

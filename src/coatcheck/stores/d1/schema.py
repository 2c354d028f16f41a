"""Bringing a D1 database to this release's form, and saying what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from coatcheck.errors import ConfigurationError, SchemaError
from coatcheck.stores.d1.looks import looked_at
from coatcheck.stores.d1.statements import Prepared
from coatcheck.stores.sqlite import keys
from coatcheck.stores.sqlite.schema import migration_statements, name_of, normal, trigger_statements
from coatcheck.stores.steps import MIGRATIONS
from coatcheck.stores.users import check_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coatcheck.stores.d1.wire import Wire
    from coatcheck.stores.users import UsersTable

FIX = "run `wrangler d1 migrations apply`, or `await store.migrate()`"

VERSION = f"UPDATE coatcheck_meta SET schema = {len(MIGRATIONS)}"  # noqa: S608 - a number of ours


def script() -> str:
    """Return all steps and triggers as a file for Wrangler; those of a users table come with `store.migrate()`."""
    steps = [statement for name in MIGRATIONS for statement in migration_statements(name, None)]
    return "\n\n".join([*steps, VERSION + ";", *trigger_statements(None, "")]) + "\n"


class Found(NamedTuple):
    """What stands in a database.

    Attributes:
        version: The schema's version; 0 for none.
        triggers: The text of each of our triggers, by name.
        quiet: Whether the row triggers are switched off.
    """

    version: int
    triggers: dict[str, str]
    quiet: bool = False


class Schema:
    """The schema of one configuration, in one database."""

    def __init__(self, wire: Wire, sql: Callable[[str], str], users: UsersTable | None) -> None:
        """Keep the binding, the texts by name, and the application's users table."""
        self._wire = wire
        self._sql = sql
        self._users = users

    async def migrate(self) -> list[str]:
        """Run the missing steps and renew the triggers, as one batch; returns the names of the steps."""
        found = await self._found()
        missing = MIGRATIONS[found.version :]
        wanted = await self._triggers()
        statements = [each for name in missing for each in migration_statements(name, self._users)]
        if missing:
            statements.append(VERSION)
        present = found.triggers
        if self._users is None:
            # Whoever comes without a users table must not take away its triggers.
            present = {name: text for name, text in present.items() if not name.startswith("coatcheck_user_")}
        if {normal(text) for text in present.values()} != {normal(text) for text in wanted}:
            statements += [f"DROP TRIGGER {name}" for name in present]
            statements += wanted
        if statements:
            await self._wire.batch([Prepared(statement, ()) for statement in statements])
        return list(missing)

    async def problems(self) -> list[str]:
        """Say what is missing or unsafe, each with the fix."""
        found = await self._found()
        if found.version < len(MIGRATIONS):
            return [f"the schema is version {found.version} of {len(MIGRATIONS)}: {FIX}"]
        return list(self._problems(found, await self._triggers()))

    def _problems(self, found: Found, wanted: list[str]) -> Iterator[str]:
        if found.quiet:
            yield "quiet is set in coatcheck_meta, so deletions by hand are not seen: UPDATE coatcheck_meta SET quiet=0"
        present = {normal(text) for text in found.triggers.values()}
        for statement in wanted:
            if normal(statement) not in present:
                yield f"trigger {name_of(statement)} is missing or altered, so changes by hand are not seen: {FIX}"

    async def verify(self) -> None:
        """Refuse a database that a Worker must not start on.

        Raises:
            SchemaError: Something is missing, altered, older or newer; the message says what and how to fix it.
        """
        if found := await self.problems():
            msg = f"the D1 database is not ready: {'; '.join(found)}"
            raise SchemaError(msg)

    async def _found(self) -> Found:
        (rows,) = await self._wire.batch([Prepared(self._sql("schema"), ())])
        triggers = {name: text for kind, name, text in rows if kind == "trigger"}
        if not any(name == "coatcheck_meta" for _, name, _ in rows):
            return Found(0, triggers)
        (meta,) = await self._wire.batch([Prepared("SELECT schema, quiet FROM coatcheck_meta", ())])
        if not meta:
            msg = "the row of coatcheck_meta has been deleted; drop the coatcheck tables and migrate"
            raise SchemaError(msg)
        version, quiet = meta[0]
        if version > len(MIGRATIONS):
            msg = f"the D1 database has schema {version}, newer than {len(MIGRATIONS)} of this release; upgrade it"
            raise SchemaError(msg)
        return Found(version, triggers, bool(quiet))

    async def _triggers(self) -> list[str]:
        if self._users is None:
            return trigger_statements(None, "")
        answers = await looked_at(self._wire, self._users.table)
        check_columns(self._users, keys.columns_of(answers, self._users.table))
        if self._users.foreign_key and (self._users.id,) not in keys.unique_columns(answers, self._users.table):
            fix = "make it so, or set foreign_key=False"
            msg = f"users id={self._users.id!r} is neither primary key nor unique; {fix}"
            raise ConfigurationError(msg)
        return trigger_statements(self._users, keys.conflicts(answers, self._users.table))

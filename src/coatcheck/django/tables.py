"""The tables, as an operation of Django's migrations: `manage.py migrate` makes them, `sqlmigrate` shows how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db.migrations.operations.base import Operation

from coatcheck.django import configuration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.backends.base.schema import BaseDatabaseSchemaEditor

    from coatcheck.configuration import Settings
    from coatcheck.stores.operations import Row, Statement

_TABLES = (
    "coatcheck_sessions",
    "coatcheck_retired",
    "coatcheck_devices",
    "coatcheck_impersonations",
    "coatcheck_audit",
    "coatcheck_spent",
    "coatcheck_workers",
    "coatcheck_log",
    "coatcheck_epoch",
    "coatcheck_meta",
)
_FUNCTIONS = (
    "coatcheck_session_changed",
    "coatcheck_user_changed",
    "coatcheck_notify",
    "coatcheck_begin_epoch",
    "coatcheck_generation",
    "coatcheck_invalidate",
)


class MakeTables(Operation):
    """Bring tables and triggers to this release's form; on every other database than that of the sessions nothing.

    It runs as `coatcheck migrate` does, on a connection of its own: in steps that stop nobody who uses the tables.
    """

    reversible = True
    reduces_to_sql = True
    atomic = False
    serialization_expand_args: ClassVar[list[str]] = []

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Change nothing: Django has no models of these tables."""

    def database_forwards(
        self,
        app_label: str,  # noqa: ARG002 - Django's signature
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: Any,  # noqa: ARG002
        to_state: Any,  # noqa: ARG002
    ) -> None:
        """Make what is missing."""
        settings = _settings_of(schema_editor)
        if settings is None:
            return
        if not schema_editor.collect_sql:
            sessions = settings.sessions()
            try:
                sessions.store.migrate()
            finally:
                sessions.close()
            return
        for statement in _script(settings, schema_editor.connection):
            schema_editor.execute(statement, params=None)

    def database_backwards(
        self,
        app_label: str,  # noqa: ARG002 - Django's signature
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: Any,  # noqa: ARG002
        to_state: Any,  # noqa: ARG002
    ) -> None:
        """Drop everything; nobody is signed in any more."""
        settings = _settings_of(schema_editor)
        if settings is None:
            return
        for statement in _removal(settings, schema_editor.connection):
            schema_editor.execute(statement, params=None)

    def describe(self) -> str:
        """Say what it does."""
        return "Make the tables and triggers of coatcheck"

    @property
    def migration_name_fragment(self) -> str:
        """Name it in a migration's name."""
        return "coatcheck_tables"


def _settings_of(schema_editor: BaseDatabaseSchemaEditor) -> Settings | None:
    wiring = configuration.read()
    here = wiring.joins and wiring.database == schema_editor.connection.alias
    return wiring.settings if here else None


def _script(settings: Settings, connection: Any) -> Sequence[str]:
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        from coatcheck.stores.sqlite import migrations  # noqa: PLC0415 - each database has its own

        return migrations.script(connection.connection, settings.users)
    return [*_postgresql_script(settings, connection)]


def _postgresql_script(settings: Settings, connection: Any) -> Iterator[str]:
    """Yield what a migration would run in a database that has nothing yet; it asks as it always does."""
    from coatcheck.stores.postgresql.migrations import Migration  # noqa: PLC0415 - the driver is an extra
    from coatcheck.stores.postgresql.statements import Statements  # noqa: PLC0415

    options = settings.store_options
    statements = Statements(options.schema or "public", settings.users)
    migration = Migration(statements, notify=options.notify is not False)
    for operation in (migration.run(), migration.foreign_key()):
        rows: Sequence[Row] = ()
        try:
            statement = next(operation)
            while True:
                if statement.sql.startswith("SELECT"):
                    rows = _asked(statement, connection)
                else:
                    yield _written(statement)
                statement = operation.send(rows)
        except StopIteration:
            continue


def _asked(statement: Statement, connection: Any) -> Sequence[Row]:
    from coatcheck.stores.postgresql.wire import on_wire  # noqa: PLC0415 - the driver is an extra

    if "FROM pg_trigger" in statement.sql:
        return ()
    rows = connection.connection.execute(on_wire(statement.sql), statement.parameters or None).fetchall()
    return [(rows[0][0], False)] if "server_version_num" in statement.sql else rows


def _written(statement: Statement) -> str:
    sql = statement.sql
    for name, value in statement.parameters.items():
        sql = sql.replace(f":{name}", str(int(value)))
    return f"{sql};"


def _removal(settings: Settings, connection: Any) -> Iterator[str]:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'coatcheck\\_%' ESCAPE '\\'"
            )
            triggers = [row[0] for row in cursor.fetchall()]
        yield from (f"DROP TRIGGER {name}" for name in triggers)
        yield from (f"DROP TABLE IF EXISTS {name}" for name in _TABLES)
        return
    schema = f'"{settings.store_options.schema or "public"}"'
    yield from (f"DROP TABLE IF EXISTS {schema}.{name} CASCADE" for name in _TABLES)
    yield from (f"DROP FUNCTION IF EXISTS {schema}.{name} CASCADE" for name in _FUNCTIONS)

"""The triggers on Better Auth's tables in PostgreSQL, as operations: to install, to remove, and to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.core.refusals import refuse
from coatcheck.providers.better_auth.reading import table_name
from coatcheck.providers.better_auth.sql import filled, quoted
from coatcheck.stores.operations import Statement
from coatcheck.stores.postgresql.installed import (
    install,
    missing_triggers,
    one_at_a_time,
    split,
    wanted_triggers,
    wrong_functions,
)

if TYPE_CHECKING:
    from coatcheck.providers.better_auth.tables import Tables
    from coatcheck.stores.operations import Operation
    from coatcheck.stores.postgresql.installed import Wanted

COLUMNS = (
    "SELECT attname::text, has_column_privilege(attrelid, attnum, 'SELECT') FROM pg_attribute"
    " WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped"
)

_FUNCTIONS = ("coatcheck_better_auth_changed()", "coatcheck_better_auth_log(text)")


class TriggerOperations:
    """The triggers of one configuration."""

    def __init__(self, tables: Tables, log_schema: str) -> None:
        """Fill in the statements.

        Args:
            tables: What Better Auth's tables are called.
            log_schema: The schema of coatcheck's own tables, where the log is.
        """
        self._tables = tables
        self._log = log_schema
        self._names = [table_name(tables, "postgresql", table) for table in (tables.session, tables.user)]
        words = {
            **tables.words(),
            "sessions": self._names[0],
            "users": self._names[1],
            "schema": f"{quoted(tables.schema)}.",
            "log": f"{quoted(log_schema)}.",
        }
        self._functions = list(split(filled("postgresql_functions", words)))
        self._triggers = list(split(filled("postgresql_triggers", words)))

    def install(self) -> Operation[bool]:
        """Create what is missing or altered, in one transaction; returns whether anything was.

        Raises:
            ConfigurationError: A table of Better Auth's or the log is missing.
        """
        yield from one_at_a_time(f"better_auth {self._tables.schema}")
        yield from self._check()
        wrong = yield from wrong_functions(self._tables.schema, self._functions)
        if wrong:
            for statement in self._functions:
                yield Statement(statement, {})
        missing = yield from self._missing()
        yield from install(missing)
        return bool(wrong or missing)

    def remove(self) -> Operation[bool]:
        """Drop them; returns whether there were any."""
        yield from one_at_a_time(f"better_auth {self._tables.schema}")
        found = False
        for table in self._names:
            # What stands on partitions goes with what it is a copy of, but for those of statements.
            rows = yield Statement(
                "SELECT tgname::text, format('%s.%I', relnamespace::regnamespace, relname) FROM pg_trigger"
                " JOIN pg_class ON pg_class.oid = tgrelid WHERE tgparentid = 0 AND tgname LIKE 'coatcheck\\_better\\_%'"
                " AND (tgrelid = to_regclass(:table)"
                " OR tgrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(:table))))",
                {"table": table},
            )
            for name, where in rows:
                found = True
                yield Statement(f"DROP TRIGGER {name} ON {where}", {})
        yield from self._remove_functions()
        return found

    def _remove_functions(self) -> Operation[None]:
        # Another Better Auth may have its tables in the same schema.
        function = f"{quoted(self._tables.schema)}.{_FUNCTIONS[0]}"
        rows = yield Statement(
            "SELECT 1 FROM pg_trigger WHERE tgfoid = to_regprocedure(:function)", {"function": function}
        )
        if not rows:
            for each in _FUNCTIONS:
                yield Statement(f"DROP FUNCTION IF EXISTS {quoted(self._tables.schema)}.{each}", {})

    def problems(self) -> Operation[list[str]]:
        """Say what is missing or altered, each with the fix.

        Raises:
            ConfigurationError: A table of Better Auth's or the log is missing.
        """
        yield from self._check()
        wrong = yield from wrong_functions(self._tables.schema, self._functions)
        missing = yield from self._missing()
        fix = "so what Better Auth ends is not seen at once: run `coatcheck better-auth install-triggers`"
        return [f"function {name} is missing or altered, {fix}" for name in wrong] + [
            f"trigger {each.name} on {each.table} is missing, altered or not ENABLE ALWAYS, {fix}" for each in missing
        ]

    def _missing(self) -> Operation[list[Wanted]]:
        return (yield from missing_triggers((yield from wanted_triggers(self._triggers))))

    def _check(self) -> Operation[None]:
        for model, table in zip(("session", "user"), self._names, strict=True):
            rows = yield Statement(COLUMNS, {"table": table})
            self._tables.read(model, {row[0] for row in rows})
        rows = yield Statement(
            "SELECT to_regprocedure(:function) IS NOT NULL",
            {"function": f"{quoted(self._log)}.coatcheck_invalidate(text)"},
        )
        if not rows[0][0]:
            fix = "run `coatcheck migrate` on this database first, or name the schema that coatcheck's tables are in"
            refuse("log schema", self._log, fix)

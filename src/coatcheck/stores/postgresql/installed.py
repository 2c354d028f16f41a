"""Functions and triggers as they have to be, and as they are: what migrations of any tables have in common."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.stores.operations import Statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from coatcheck.stores.operations import Operation

_FUNCTION: Final = re.compile(r"FUNCTION \S*?(coatcheck_\w+)\(")
_BODY: Final = re.compile(r"\$\$(.*)\$\$", re.DOTALL)
_TRIGGER: Final = re.compile(r"CREATE TRIGGER (\w+) AFTER .*? ON (\S+)")


class Wanted(NamedTuple):
    """A trigger as it has to be: its name, the table it belongs to, the statement that creates it."""

    name: str
    table: str
    sql: str


def split(script: str) -> Iterator[str]:
    """Split a script into its statements; what stands between `$$` stays together."""
    parts = script.split("$$")
    statement = ""
    for index, part in enumerate(parts):
        if index % 2:
            statement += f"$${part}$$"
            continue
        *ended, rest = part.split(";")
        for piece in ended:
            if (statement + piece).strip():
                yield (statement + piece).strip()
            statement = ""
        statement += rest
    if statement.strip():
        yield statement.strip()


def one_at_a_time(what: str) -> Operation[None]:
    """Wait for others that change the same, and let none of the locks that follow hold up the application for long."""
    yield Statement("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", {"key": f"coatcheck_migrate {what}"})
    yield Statement("SELECT set_config('lock_timeout', '2s', true)", {})


def wrong_functions(schema: str, statements: Iterable[str]) -> Operation[list[str]]:
    """Return the names of functions that are missing or not as these statements make them."""
    rows = yield Statement(
        "SELECT proname::text, prosrc, prosecdef, array_to_string(proconfig, ';') FROM pg_proc"
        " WHERE pronamespace = to_regnamespace(:schema)",
        {"schema": f'"{schema}"'},
    )
    present = {row[0]: row[1:] for row in rows}
    wrong: list[str] = []
    for statement in statements:
        name, body = _FUNCTION.search(statement), _BODY.search(statement)
        if name is None or body is None:
            continue
        wanted = (body[1], "SECURITY DEFINER" in statement, "search_path=pg_catalog, pg_temp")
        if present.get(name[1]) != wanted:
            wrong.append(name[1])
    return wrong


def wanted_triggers(statements: Iterable[str]) -> Operation[list[Wanted]]:
    """Return the triggers that these statements make, on partitions as well."""
    wanted: list[Wanted] = []
    for statement in statements:
        match = _TRIGGER.search(statement)
        if match is None:
            continue
        wanted.append(Wanted(match[1], match[2], statement))
        if match[1].endswith("truncated"):
            # Row triggers are copied to partitions by the database, those of a statement are not.
            wanted += [
                Wanted(match[1], part, statement.replace(f" ON {match[2]}", f" ON {part}"))
                for part in (yield from _partitions(match[2]))
            ]
    return wanted


def _partitions(table: str) -> Operation[list[str]]:
    rows = yield Statement(
        "SELECT format('%s.%I', relnamespace::regnamespace, relname)"
        " FROM pg_partition_tree(to_regclass(:table)) JOIN pg_class ON pg_class.oid = relid WHERE level > 0",
        {"table": table},
    )
    return [row[0] for row in rows]


def missing_triggers(triggers: Iterable[Wanted]) -> Operation[list[Wanted]]:
    """Return those that are missing, altered or not always enabled."""
    # Of a row's trigger on a partitioned table, the copies on all partitions have to be as good.
    rows = yield Statement(
        "SELECT tgname::text, tgrelid::bigint, obj_description(oid, 'pg_trigger') FROM pg_trigger AS t"
        " WHERE tgname LIKE 'coatcheck%' AND tgenabled = 'A' AND NOT EXISTS ("
        "SELECT FROM pg_partition_tree(t.tgrelid) AS part WHERE part.level > 0 AND t.tgtype & 1 = 1"
        " AND NOT EXISTS (SELECT FROM pg_trigger AS copy"
        " WHERE copy.tgrelid = part.relid AND copy.tgname = t.tgname AND copy.tgenabled = 'A'))",
        {},
    )
    present = {(name, table): mark for name, table, mark in rows}
    missing: list[Wanted] = []
    for wanted in triggers:
        rows = yield Statement("SELECT to_regclass(:table)::oid::bigint", {"table": wanted.table})
        if present.get((wanted.name, rows[0][0])) != _mark(wanted.sql):
            missing.append(wanted)
    return missing


def install(triggers: Iterable[Wanted]) -> Operation[None]:
    """Create triggers in the place of what has their names, for every session of the server, replication too."""
    for wanted in triggers:
        yield Statement(f"DROP TRIGGER IF EXISTS {wanted.name} ON {wanted.table}", {})
        yield Statement(wanted.sql, {})
        yield Statement(f"ALTER TABLE {wanted.table} ENABLE ALWAYS TRIGGER {wanted.name}", {})
        yield Statement(f"COMMENT ON TRIGGER {wanted.name} ON {wanted.table} IS '{_mark(wanted.sql)}'", {})


def _mark(sql: str) -> str:
    """Return the comment by which a trigger is known: the server's own spelling of its definition varies."""
    return f"coatcheck {hashlib.sha256(sql.encode()).hexdigest()[:16]}"

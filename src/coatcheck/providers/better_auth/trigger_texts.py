"""The triggers on Better Auth's tables as SQLite has them, as text: in a file of its own, or in D1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coatcheck.providers.better_auth.sql import filled, quoted
from coatcheck.stores.sqlite.keys import columns_of, conflicts
from coatcheck.stores.sqlite.schema import name_of, normal, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from coatcheck.providers.better_auth.tables import Tables
    from coatcheck.stores.sqlite.keys import Reads

LOG: Final = "SELECT 1 FROM sqlite_schema WHERE name = 'coatcheck_log'"

PRESENT: Final = (
    "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name IN (?1, ?2)"
    " AND name LIKE 'coatcheck\\_better\\_auth\\_%' ESCAPE '\\'"
)


def texts_of(connection: Reads, tables: Tables) -> list[str]:
    """Return the CREATE TRIGGER statements for the tables as they are.

    Raises:
        ConfigurationError: A table of Better Auth's is missing.
    """
    words = {
        **{name: quoted(column) for name, column in tables.words().items()},
        "session_table": tables.session,
        "user_table": tables.user,
        "sessions": quoted(tables.session),
        "users": quoted(tables.user),
    }
    for model, table in (("session", tables.session), ("user", tables.user)):
        columns = columns_of(connection, table)
        tables.read(model, columns)
        words[f"{model}_conflicts"] = conflicts(connection, table)
        quiet = {tables.column(model, name) for name in ("expiresAt", "updatedAt")}
        same_ones = [f"NEW.{quoted(name)} IS OLD.{quoted(name)}" for name in columns if name not in quiet]
        words[f"{model}_same"] = "\n    AND ".join(same_ones)
    return list(split(filled("sqlite_triggers", words)))


def same(wanted: Iterable[str], present: Mapping[str, str]) -> bool:
    """Tell whether the triggers that are there are those that are wanted."""
    return set(map(normal, wanted)) == set(map(normal, present.values()))


def missing(wanted: Iterable[str], present: Mapping[str, str], *, fix: str) -> list[str]:
    """Say which of the triggers are missing or altered, each with the fix."""
    found = set(map(normal, present.values()))
    return [
        f"trigger {name_of(text)} is missing or altered, so what Better Auth ends is not seen at once: {fix}"
        for text in wanted
        if normal(text) not in found
    ]

"""The tables and triggers as this release needs them, as text; nothing here needs a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.stores.sqlite.statements import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck.stores.users import UsersTable


def migration_statements(name: str, users: UsersTable | None) -> list[str]:
    """Return the statements of one step."""
    return list(split(text(f"migrations/{name}").replace("/*foreign_key*/", reference(users))))


def trigger_statements(users: UsersTable | None, conflicts: str) -> list[str]:
    """Return the CREATE TRIGGER statements that a configuration needs.

    Args:
        users: The application's users table.
        conflicts: When one of its rows stands in the way of the row NEW: `keys.conflicts`.
    """
    statements = list(split(text("triggers")))
    if users is not None:
        filled = (
            text("users_triggers")
            .replace("/*users*/", f'"{users.table}"')
            .replace("/*id*/", f'"{users.id}"')
            .replace("/*columns*/", ", ".join(f'"{column}"' for column in (users.id, *users.columns())))
            .replace("/*conflicts*/", conflicts)
        )
        statements += split(filled)
    return statements


def reference(users: UsersTable | None) -> str:
    """Return the foreign key to the users table, where one is wanted."""
    if users is None or not users.foreign_key:
        return ""
    return f'REFERENCES "{users.table}" ("{users.id}") ON DELETE CASCADE'


def name_of(trigger: str) -> str:
    """Return the name in a CREATE TRIGGER statement."""
    return trigger.split("CREATE TRIGGER ", 1)[1].split(maxsplit=1)[0]


def normal(sql: str) -> str:
    """Return a statement without what makes no difference to it."""
    return " ".join(line for line in sql.split() if line).rstrip(";").removesuffix(" ")


def split(script: str) -> Iterator[str]:
    """Split one of our scripts, without its comments; a trigger's body holds semicolons of its own."""
    lines = [line for line in script.splitlines() if line and not line.lstrip().startswith("--")]
    statement = ""
    for line in lines:
        statement += line + "\n"
        if line.endswith("END;" if statement.startswith("CREATE TRIGGER") else ";"):
            yield statement.strip()
            statement = ""

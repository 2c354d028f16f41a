"""Where the user behind a session comes from: a table of the application, in the same database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coatcheck.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection

PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersTable:
    """The application's users table, joined to each session in the same query.

    Attributes:
        table: The table's name.
        id: The column that session user ids refer to; it must be unique.
        name: The column with the user's display name, if there is one.
        email: The column with the address, if there is one.
        role: The column with the role, if there is one.
        attributes: More columns, which become `user.attributes`.
        email_verified: The column that says whether the address is theirs, if there is one: a boolean, or 0 and 1.
        labels: The column with labels such as a tier, if there is one: an array, a JSON array, or one text.
        created_at: The column with the time they registered, if there is one: a time, which without a zone is one in
            UTC; in SQLite text as ISO 8601 has it, or seconds since the epoch.
        updated_at: The column with the time of the last change, if there is one. To write it is a change.
        foreign_key: Whether the sessions table refers to it, so that a session for nobody is refused.
    """

    table: str = "users"
    id: str = "id"
    name: str | None = "name"
    email: str | None = "email"
    role: str | None = "role"
    attributes: tuple[str, ...] = ()
    email_verified: str | None = None
    labels: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    foreign_key: bool = False

    def __post_init__(self) -> None:
        for name in (self.table, self.id, *self.columns()):
            if not PLAIN_NAME.fullmatch(name):
                msg = f"users table or column {name!r} is no plain SQL name; use letters, digits and underscores"
                raise ConfigurationError(msg)

    def columns(self) -> tuple[str, ...]:
        """Return the columns that a session shows, without the id."""
        return (*(column for _, column in self.named()), *self.attributes)

    def searched(self) -> tuple[str, ...]:
        """Return the columns in which a text is searched, besides the id."""
        return tuple(column for column in (self.name, self.email) if column)

    def named(self) -> tuple[tuple[str, str], ...]:
        """Return the columns that become a field of `User`, after the name of that field."""
        names = ("name", "email", "role", "email_verified", "labels", "created_at", "updated_at")
        pairs = ((name, getattr(self, name)) for name in names)
        return tuple((name, column) for name, column in pairs if column)


def check_columns(users: UsersTable, found: Collection[str]) -> None:
    """Refuse a users table that is not in the database as it is described.

    Args:
        users: The description.
        found: The columns that the table has; none when it does not exist.

    Raises:
        ConfigurationError: The table or a column is missing.
    """
    if not found:
        msg = f"users table={users.table!r} does not exist in this database; create it first or name another"
        raise ConfigurationError(msg)
    missing = [column for column in (users.id, *users.columns()) if column not in found]
    if missing:
        fix = "set that field of UsersTable to the right column, or to None"
        msg = f"users table={users.table!r} has no column {', '.join(missing)}; {fix}"
        raise ConfigurationError(msg)

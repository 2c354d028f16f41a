"""Better Auth's two tables: what they are called, and which of their columns are read.

Fields have Better Auth's names, such as `expiresAt`; adapters may call the columns something else. Of the columns that
an application has added, only those are read that it names: a table holds things that Better Auth never hands out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from coatcheck.core.refusals import refuse
from coatcheck.stores.users import PLAIN_NAME

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_NEEDED: Final = {
    "session": ("id", "token", "userId", "expiresAt", "createdAt"),
    "user": ("id",),
}
# Those of Better Auth itself, and of its plugins admin, organization, username, phone-number, anonymous and two-factor.
_KNOWN: Final = {
    "session": ("updatedAt", "ipAddress", "userAgent", "impersonatedBy", "activeOrganizationId", "activeTeamId"),
    "user": (
        *("name", "email", "emailVerified", "image", "role", "createdAt", "updatedAt"),
        *("banned", "banReason", "banExpires", "username", "displayUsername"),
        *("phoneNumber", "phoneNumberVerified", "isAnonymous", "twoFactorEnabled"),
    ),
}
FLAGS: Final = frozenset({"emailVerified", "banned", "phoneNumberVerified", "isAnonymous", "twoFactorEnabled"})
"""Fields that are true or false, where SQLite has 0 and 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Where Better Auth keeps sessions and users.

    Attributes:
        session: The table of sessions.
        user: The table of users.
        schema: Their schema; PostgreSQL only.
        columns: What columns are called that have another name than their field: {"expiresAt": "expires_at"}. A field
            of one table only has the table before it: {"user.name": "full_name"}. A field that is not Better Auth's
            own is read if it is named here: {"user.tier": "tier"}.
    """

    session: str = "session"
    user: str = "user"
    schema: str = "public"
    columns: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        names = {"session_table": self.session, "user_table": self.user, "schema": self.schema}
        for setting, name in names.items():
            if not PLAIN_NAME.fullmatch(name):
                refuse(setting, name, "use letters, digits and underscores")
        if self.session == self.user:
            refuse("user_table", self.user, "it is the session_table; name Better Auth's table of users")
        for name, column in self.columns.items():
            model, _, own = name.rpartition(".")
            if model not in {"", "session", "user"} or not PLAIN_NAME.fullmatch(own):
                refuse("columns", name, "name a field, such as 'expiresAt' or 'user.name'")
            if not PLAIN_NAME.fullmatch(column):
                refuse(f"columns[{name!r}]", column, "use letters, digits and underscores")
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))

    def column(self, model: str, name: str) -> str:
        """Return what the column of a field is called."""
        return self.columns.get(f"{model}.{name}") or self.columns.get(name) or name

    def read(self, model: str, found: Collection[str]) -> dict[str, str]:
        """Return the fields of a table that are read, and their columns.

        Args:
            model: "session" or "user".
            found: The columns that the table has; none if there is no such table.

        Raises:
            ConfigurationError: The table is missing, or a column that is needed or named.
        """
        table = self.session if model == "session" else self.user
        if not found:
            refuse(f"{model}_table", table, "there is no such table in this database; name it as Better Auth calls it")
        for name, column in self.needed(model).items():
            if column not in found:
                fix = f"table {table!r} has no such column; give columns={{'{model}.{name}': …}} the right one"
                refuse(f"columns['{model}.{name}']", column, fix)
        shared = [name for name in self.columns if "." not in name]
        wanted = dict.fromkeys((*_NEEDED[model], *_KNOWN[model], *self._named(model), *shared))
        return {name: self.column(model, name) for name in wanted if self.column(model, name) in found}

    def needed(self, model: str) -> dict[str, str]:
        """Return the fields that a table must have, and their columns."""
        return {name: self.column(model, name) for name in (*_NEEDED[model], *self._named(model))}

    def _named(self, model: str) -> list[str]:
        return [name.partition(".")[2] for name in self.columns if name.startswith(f"{model}.")]

    def describe(self) -> str:
        """Return all of this in one line, with nothing that is a secret."""
        columns = ",".join(f"{name}={column}" for name, column in sorted(self.columns.items()))
        return f"{self.schema}.{self.session} {self.schema}.{self.user} {columns}"

    def words(self) -> dict[str, str]:
        """Return what stands for the columns that the triggers name."""
        fields = {"session": ("id", "updatedAt", "expiresAt"), "user": ("id", "updatedAt")}
        return {f"{model}.{name}": self.column(model, name) for model, names in fields.items() for name in names}

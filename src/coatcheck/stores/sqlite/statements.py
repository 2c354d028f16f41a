"""The SQL of this store, read from the files beside it, with the users table filled in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.stores.users import UsersTable

_FOLDER = files("coatcheck.stores.sqlite") / "sql"


@cache
def text(name: str) -> str:
    """Return one SQL file of this package."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Statements:
    """The statements as one configuration needs them."""

    users: UsersTable | None

    def __post_init__(self) -> None:
        # All files are read now, and none when a request waits for its first use.
        for file in _FOLDER.iterdir():
            if file.name.endswith(".sql"):
                self[file.name.removesuffix(".sql")]

    def __getitem__(self, name: str) -> str:
        return _filled(name, self.users)


@cache
def _filled(name: str, users: UsersTable | None) -> str:
    return filled(text(name), users)


def filled(sql: str, users: UsersTable | None) -> str:
    """Return a statement with the users table in the places that are left for it."""
    if users is None:
        return _with(sql, {"user": "NULL", "user_join": "", "has_user": "", "names": ""})
    column = f'u."{users.id}"'
    # The second comparison admits no other spelling of the id ('01' for 1, another case): log entries name this one.
    join = (
        f'LEFT JOIN "{users.table}" AS u ON {column} = s.user_id AND CAST({column} AS TEXT) = s.user_id COLLATE BINARY'
    )
    words = {
        "user": user_json(users),
        "user_join": join,
        "has_user": f"AND (s.user_id IS NULL OR {column} IS NOT NULL)",
        "names": "".join(f"|| char(10) || coalesce(u.\"{name}\", '')" for name in users.searched()),
        "id": f'"{users.id}"',
    }
    return _with(sql, words)


def _with(sql: str, words: Mapping[str, str]) -> str:
    for word, replacement in words.items():
        sql = sql.replace(f"/*{word}*/", replacement)
    return sql


def user_json(users: UsersTable) -> str:
    """Return the SQL expression that describes the joined user as JSON, or NULL when there is none."""
    pairs = [f"'id', CAST(u.\"{users.id}\" AS TEXT)"]
    pairs += [f"'{field}', {_value(field, column)}" for field, column in users.named()]
    if users.attributes:
        extra = ", ".join(f"'{column}', u.\"{column}\"" for column in users.attributes)
        pairs.append(f"'attributes', json_object({extra})")
    return f'CASE WHEN u."{users.id}" IS NULL THEN NULL ELSE json_object({", ".join(pairs)}) END'


def _value(field: str, column: str) -> str:
    name = f'u."{column}"'
    if field not in {"created_at", "updated_at"}:
        return name
    # A number is seconds to SQLite's own functions, and microseconds to us.
    return f"CASE WHEN typeof({name}) IN ('integer', 'real') THEN CAST({name} * 1000000 AS INTEGER) ELSE {name} END"

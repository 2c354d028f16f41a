"""The SQL of this store, read from the files beside it, with the words filled in that one configuration needs.

What goes to and fro is numbers, text and bytes only, times as microseconds since the epoch: so the statements run
through any driver and with any of its adapters, also on a caller's own connection.
"""

from __future__ import annotations

import re
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from coatcheck.errors import ConfigurationError
from coatcheck.stores.users import PLAIN_NAME, UsersTable

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = files("coatcheck.stores.postgresql") / "sql"

_COMMENT: Final = re.compile(r"^\s*--.*\n?", re.MULTILINE)
_TIME: Final = re.compile(r"/\*time\((.+?)\)\*/")

_TIMES: Final = ("created_at", "authenticated_at", "last_seen_at", "idle_expires_at", "expires_at", "idle_timeout")
_LONGEST_CHANNEL: Final = 63
"""Octets of a PostgreSQL identifier."""


def text(name: str) -> str:
    """Return one SQL file of this package, without its comments."""
    return _COMMENT.sub("", (_FOLDER / f"{name}.sql").read_text(encoding="utf-8"))


def _micros(expression: str) -> str:
    return f"(extract(epoch FROM {expression}) * 1000000)::bigint"


def _time(match: re.Match[str]) -> str:
    value = match[1] if match[1].startswith("(") else f":{match[1]}"
    return f"(timestamptz 'epoch' + CAST({value} AS bigint) * interval '1 microsecond')"


class Statements:
    """The statements as one configuration needs them."""

    def __init__(self, schema: str, users: UsersTable | None) -> None:
        """Fill in all statements now, and none when a request waits for its first use.

        Args:
            schema: The schema of the tables.
            users: The application's users table.

        Raises:
            ConfigurationError: The schema's name is no plain SQL name.
        """
        if not PLAIN_NAME.fullmatch(schema):
            msg = f"schema={schema!r} is not possible: use a plain SQL name of letters, digits and underscores"
            raise ConfigurationError(msg)
        self.schema = schema
        self.users = users
        self.channel = f"coatcheck_{schema}"[:_LONGEST_CHANNEL]
        self.user_type = "text"
        self._texts: dict[str, str] = {}

    def use_type(self, user_type: str) -> None:
        """Compare user ids as this SQL type, which the users table's key has."""
        if user_type != self.user_type:
            self.user_type = user_type
            self._texts = {}

    def __getitem__(self, name: str) -> str:
        found = self._texts.get(name)
        if found is None:
            found = self._texts[name] = self.filled(text(name))
        return found

    def filled(self, sql: str) -> str:
        """Return a text with every word in `/*…*/` replaced by what it stands for here."""
        for word, replacement in self._words.items():
            sql = sql.replace(word, replacement)
        collation = ' COLLATE "default"' if self.user_type == "text" else ""
        sql = sql.replace("/*user_type*/", self.user_type).replace("/*collation*/", collation).replace("/*now*/", _NOW)
        return _TIME.sub(_time, sql)

    @cached_property
    def _words(self) -> dict[str, str]:
        current = "s.generation = (SELECT generation FROM /*schema*/coatcheck_meta)"
        alive = f"{current} AND s.idle_expires_at > /*now*/ AND (s.expires_at IS NULL OR s.expires_at > /*now*/)"
        users = self.users
        return {
            "/*columns*/": ", ".join(_columns()),
            "/*since*/": _micros("max(retired_at)"),
            "/*until*/": _micros("until"),
            "/*reported*/": _micros("w.reported_at"),
            "/*micros_now*/": _micros("/*now*/"),
            "/*micros(at)*/": _micros("at"),
            "/*alive*/": alive,
            "/*current*/": current,
            "/*user*/": "NULL" if users is None else _user_json(users),
            "/*user_join*/": "" if users is None else _user_join(users),
            "/*has_user*/": "" if users is None else f'AND (s.user_id IS NULL OR u."{users.id}" IS NOT NULL)',
            "/*names*/": "" if users is None else "".join(f', u."{name}"::text' for name in users.searched()),
            "/*id*/": "" if users is None else f'"{users.id}"',
            "/*users*/": "" if users is None else f'"{users.table}"',
            "/*this_life*/": _THIS_LIFE,
            "/*changed*/": "" if users is None else _changed(users),
            "/*channel*/": self.channel,
            "/*schema*/": f'"{self.schema}".',
        }


_NOW: Final = "coalesce(timestamptz 'epoch' + CAST(:now AS bigint) * interval '1 microsecond', statement_timestamp())"

# Its start tells one life of the server from another; its place, which is asked of the table that is read, one copy of
# the tables from another in the same life. The next word is for a sessions table that was restored alone.
_THIS_LIFE: Final = """e.started = pg_postmaster_start_time() AND e.place = pg_relation_filepath(e.tableoid)
    AND e.sessions = '/*schema*/coatcheck_sessions'::regclass"""


def _columns() -> Iterator[str]:
    """Yield the expressions of a record's columns, without the user."""
    yield from ("s.id", "s.user_id::text")
    yield from (_micros(f"s.{name}") for name in _TIMES)
    yield from ("s.remember", "host(s.ip)", "s.user_agent", "s.data::text", "s.authentication::text", "s.device_bound")


def _user_join(users: UsersTable) -> str:
    # The first comparison is for the index of the users table: text in it is sorted as the database sorts, and ours is
    # not. The second is for types such as citext: log entries name one spelling of an id.
    column = f'u."{users.id}"'
    same = f'{column} = s.user_id/*collation*/ AND {column}::text = s.user_id::text COLLATE "C"'
    return f'LEFT JOIN "{users.table}" AS u ON {same}'


def _user_json(users: UsersTable) -> str:
    """Return the SQL expression that describes the joined user as JSON, or NULL when there is none."""
    pairs = [f"'id', u.\"{users.id}\"::text"]
    pairs += [f"'{field}', u.\"{column}\"" for field, column in users.named()]
    if users.attributes:
        extra = ", ".join(f"'{column}', u.\"{column}\"" for column in users.attributes)
        pairs.append(f"'attributes', json_build_object({extra})")
    return f'CASE WHEN u."{users.id}" IS NULL THEN NULL ELSE json_build_object({", ".join(pairs)})::text END'


def _changed(users: UsersTable) -> str:
    """Return the condition under which a user's row has changed for us; as text, for `json` knows no equality."""
    columns = (users.id, *users.columns())
    return " OR ".join(f'OLD."{name}"::text IS DISTINCT FROM NEW."{name}"::text' for name in columns)

"""How a store is used, as far as its URL does not say it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Final

from coatcheck.core.refusals import refuse
from coatcheck.stores.urls import POSTGRESQL, SQLITE, VALKEY, Kind
from coatcheck.stores.users import PLAIN_NAME

OPTIONS: Final = {
    SQLITE.name: frozenset({"migrate", "busy_timeout"}),
    POSTGRESQL.name: frozenset(
        {
            "migrate",
            "schema",
            "timeout",
            "pool_size",
            "replica_url",
            "listen_url",
            "prepared_statements",
            "notify",
        }
    ),
    VALKEY.name: frozenset({"prefix", "timeout", "max_connections", "poll_writes"}),
}
"""Which kind of store has which options; written down, because to look at its class takes its driver."""

_MOST_CONNECTIONS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """How a store is used. What is None is left to the store, and each kind has some of these only.

    Attributes:
        migrate: Whether opening brings the tables to this release's form (SQLite, PostgreSQL).
        busy_timeout: How long a write waits for another process's write to end (SQLite).
        timeout: How long to wait for an answer (PostgreSQL, Valkey).
        schema: The schema that the tables are in (PostgreSQL).
        pool_size: How many connections one process has at most (PostgreSQL).
        replica_url: A streaming replica to read from (PostgreSQL).
        listen_url: Where to listen for notifications, past a pooler in transaction mode (PostgreSQL).
        prepared_statements: Whether statements are prepared on the server (PostgreSQL).
        notify: Whether changes are notified; two-phase commit needs False (PostgreSQL).
        prefix: What the names of all keys begin with (Valkey).
        max_connections: How many connections one process has at most (Valkey).
        poll_writes: Whether a poll also writes, so that a master that was cut off can prove nothing (Valkey).
    """

    migrate: bool | None = None
    busy_timeout: timedelta | None = None
    timeout: timedelta | None = None
    schema: str | None = None
    pool_size: int | None = None
    replica_url: str | None = field(default=None, repr=False)
    listen_url: str | None = field(default=None, repr=False)
    prepared_statements: bool | None = None
    notify: bool | None = None
    prefix: str | None = None
    max_connections: int | None = None
    poll_writes: bool | None = None

    def __post_init__(self) -> None:
        for name, least in (("busy_timeout", timedelta(0)), ("timeout", timedelta(milliseconds=1))):
            value = getattr(self, name)
            if value is not None and not least <= value <= timedelta(minutes=1):
                refuse(name, value, "use at most one minute, such as 5 seconds", of="store")
        for name in ("pool_size", "max_connections"):
            count = getattr(self, name)
            if count is not None and not 1 <= count <= _MOST_CONNECTIONS:
                refuse(name, count, f"use 1 to {_MOST_CONNECTIONS}", of="store")
        if self.schema is not None and not PLAIN_NAME.fullmatch(self.schema):
            refuse("schema", self.schema, "use letters, digits and underscores", of="store")

    def check(self, kind: Kind) -> None:
        """Refuse what a kind of store does not have.

        Raises:
            ConfigurationError: It has no such option.
        """
        for name in self.given():
            if name not in OPTIONS[kind.name]:
                shown = "…" if name.endswith("_url") else getattr(self, name)
                refuse(name, shown, f"a {kind.name} store has no such option; remove it", of="store")

    def given(self) -> dict[str, Any]:
        """Return what is set, as the stores' classes take it: durations in seconds."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value.total_seconds() if isinstance(value, timedelta) else value
            for name, value in values.items()
            if value is not None
        }

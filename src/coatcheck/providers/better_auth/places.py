"""Where Better Auth's tables are: from a URL to the module that speaks to that database, imported only then."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import unquote

from coatcheck.core.refusals import redacted_url, refuse
from coatcheck.stores.urls import POSTGRESQL, SQLITE, Kind, kind_of

EXAMPLES = f"{SQLITE.example!r} or {POSTGRESQL.example!r}"


class Place(NamedTuple):
    """One database.

    Attributes:
        kind: Of which kind it is.
        where: What its driver connects to: a URL, or the path of a file.
        shown: What may be shown of that.
    """

    kind: Kind
    where: str
    shown: str

    def module(self, name: str) -> Any:
        """Return the module of this name for this kind of database, such as "async_postgresql".

        Raises:
            ConfigurationError: Its driver is not installed.
        """
        try:
            return import_module(f"coatcheck.providers.better_auth.{name}")
        except ImportError as error:
            if (error.name or "psycopg").partition(".")[0] not in self.kind.drivers:
                raise
            missing = f"{error.name or 'libpq'} is missing: pip install 'coatcheck[{self.kind.name}]'"
            refuse("url", f"{self.kind.schemes[0]}://…", missing)


def place_of(url: str, *, setting: str = "url") -> Place:
    """Return the database that a URL names.

    Raises:
        ConfigurationError: It is the URL of no database in which Better Auth's tables can be read.
    """
    kind = kind_of(url, setting=setting)
    if kind not in {SQLITE, POSTGRESQL}:
        refuse(setting, redacted_url(url), f"Better Auth's tables are read in SQLite and PostgreSQL; use {EXAMPLES}")
    if kind is SQLITE:
        path = unquote(url.partition("://")[2][1:])
        return Place(kind, path, f"sqlite:///{path}")
    return Place(kind, url, redacted_url(url))

"""Where the sessions of one of Django's databases are: from its settings to the URL of a store."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from django.db import connections

from coatcheck.core.refusals import refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIX: Final = "sessions can be in SQLite or PostgreSQL: name such a database, or a store such as 'valkey://host:6379/0'"
_OWN_OPTIONS: Final = frozenset(
    {
        "assume_role",
        "client_encoding",
        "context",
        "cursor_factory",
        "isolation_level",
        "pool",
        "prepare_threshold",
        "row_factory",
        "server_side_binding",
    }
)
"""Options of a PostgreSQL database that are for Django or psycopg, and no parameters of libpq."""


def store_of(alias: str) -> tuple[str, bool]:
    """Return the URL of the store that a database of Django's is, and whether writes can join its transactions.

    Raises:
        ConfigurationError: There is no such database, or it is of another kind.
    """
    if alias not in connections.settings:
        refuse("COATCHECK['database']", alias, f"DATABASES has {', '.join(connections.settings)}; name one of them")
    settings = connections.settings[alias]
    vendor = connections[alias].vendor
    if vendor == "sqlite":
        name = str(settings["NAME"])
        if in_memory(name):
            return f"sqlite:///{quote(_beside_memory(os.getpid(), name))}", False
        return f"sqlite:///{quote(str(Path(name).absolute()))}", True
    if vendor == "postgresql":
        return _postgresql(settings), True
    return refuse(f"DATABASES[{alias!r}]['ENGINE']", settings["ENGINE"], _FIX)


def in_memory(name: str) -> bool:
    """Tell whether a SQLite database is in memory, as Django's tests have it."""
    return name == ":memory:" or "mode=memory" in name


@cache
def _beside_memory(process: int, name: str) -> str:  # noqa: ARG001 - each process and database has its own
    """Return a file for the sessions of a database that is only in this process's memory.

    A second connection to such a database would see another one, or wait for the first. So the sessions take no part
    in its transactions.
    """
    folder = tempfile.mkdtemp(prefix="coatcheck-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return str(Path(folder) / "sessions.db")


def _postgresql(settings: Mapping[str, Any]) -> str:
    """Return the URL, with all as parameters: so a socket's folder can be the host, and no password must be split."""
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    parameters = {word: settings[name] for word, name in names.items() if settings.get(name)}
    parameters |= {key: value for key, value in settings["OPTIONS"].items() if key not in _OWN_OPTIONS}
    return f"postgresql:///?{urlencode(parameters, quote_via=quote)}"

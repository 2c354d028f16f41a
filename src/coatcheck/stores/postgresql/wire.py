"""How statements are written on the wire, and how a connection shows that it is dead."""

from __future__ import annotations

import re
import select
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from psycopg import conninfo
from psycopg.errors import ProgrammingError

from coatcheck.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg.pq.abc import PGconn

    from coatcheck.stores.operations import Row

_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z_]+)")
SHORTEST: Final = 2
"""Seconds; what libpq makes of one."""


@cache
def on_wire(sql: str) -> bytes:
    """Return a statement with its parameters as psycopg writes them."""
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%")).encode()


def connection_info(url: str, timeout: float) -> str:
    """Return what to connect to, with a deadline for connecting and a name that the database's views show.

    Raises:
        ConfigurationError: The URL is none that PostgreSQL understands.
    """
    try:
        given = conninfo.conninfo_to_dict(_plain(url))
    except ProgrammingError:
        # Nothing of the URL is repeated: it holds a password.
        msg = "store URL is not possible: write it as postgresql://user:password@host:5432/database"
        raise ConfigurationError(msg) from None
    defaults: dict[str, Any] = {"connect_timeout": max(SHORTEST, ceil(timeout)), "application_name": "coatcheck"}
    if not _is_whole(given):
        msg = "store URL is not possible: write '@', '/', '?' and '#' in a user or password as %40, %2F, %3F and %23"
        raise ConfigurationError(msg)
    return conninfo.make_conninfo("", **{**defaults, **given})


def _is_whole(given: Mapping[str, Any]) -> bool:
    """Tell whether no part of a password has become a host, a port or a name, which errors would then repeat."""
    ports = str(given.get("port", "")).replace(",", "")
    named = f"{given.get('host', '')}{given.get('dbname', '')}"
    return (not ports or ports.isdecimal()) and "@" not in named


def hosts_of(info: str) -> int:
    """Return how many hosts one after another may be tried for a connection."""
    return str(conninfo.conninfo_to_dict(info).get("host") or "").count(",") + 1


def is_direct(pgconn: PGconn, rows: Sequence[Row]) -> bool:
    """Tell whether the process that answers is the one that the connection was begun with."""
    return bool(rows[0][0] == pgconn.backend_pid)


def _plain(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"postgresql://{rest}" if separator and scheme in {"postgresql+psycopg", "postgres"} else url


def seems_alive(pgconn: PGconn) -> bool:
    """Tell, without asking the server, whether an idle connection can be used.

    The server sends nothing unasked on it, unless it closes it: a restart, an administrator, a failover.
    """
    if pgconn.status != 0:
        return False
    waiting = select.poll()
    waiting.register(pgconn.socket, select.POLLIN)
    return not waiting.poll(0)

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
    from psycopg.pq.abc import PGconn

_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z_]+)")
_SHORTEST: Final = 2
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
    defaults: dict[str, Any] = {"connect_timeout": max(_SHORTEST, ceil(timeout)), "application_name": "coatcheck"}
    return conninfo.make_conninfo("", **{**defaults, **given})


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

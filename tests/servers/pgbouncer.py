"""PgBouncer in transaction mode before a PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlencode

import psycopg

from tests.servers.installations import program
from tests.servers.server import Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.servers.postgresql import PostgreSQL

_CONFIGURATION = """\
[databases]
* = host=127.0.0.1 port={target}

[pgbouncer]
"""


class PgBouncer(Server):
    """One PgBouncer, which gives a client a connection for each transaction.

    Args:
        target: The port of the server behind it, or the server.
        settings: Lines for its `[pgbouncer]` section that differ from ours.
    """

    name: ClassVar[str] = "pgbouncer"

    def __init__(self, target: PostgreSQL | int, *, settings: Mapping[str, str] | None = None) -> None:
        self.binary = program("pgbouncer")
        super().__init__()
        own = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": str(self.folder / "users.txt"),
            "admin_users": "postgres",
            "pool_mode": "transaction",
            "max_client_conn": "1000",
        }
        lines = [f"{name} = {value}\n" for name, value in {**own, **(settings or {})}.items()]
        port = target if isinstance(target, int) else target.port
        (self.folder / "pgbouncer.ini").write_text(_CONFIGURATION.format(target=port) + "".join(lines))
        (self.folder / "users.txt").write_text('"postgres" ""\n')

    def command(self) -> Sequence[str]:
        return [self.binary, str(self.folder / "pgbouncer.ini")]

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url("pgbouncer", connect_timeout=2)).close()  # its own console
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str = "postgres", **query: object) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}{'?' if query else ''}{urlencode(query)}"

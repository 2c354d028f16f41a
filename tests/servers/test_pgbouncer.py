"""PgBouncer gives a client a connection for each transaction, and not longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.servers.pgbouncer import PgBouncer
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from tests.servers.postgresql import PostgreSQL

pytestmark = pytest.mark.processes

_WHO = "SELECT pg_backend_pid()"


def test_clients_share_a_connection_between_their_transactions(postgresql: PostgreSQL) -> None:
    with (
        PgBouncer(postgresql, settings={"default_pool_size": "1", "query_wait_timeout": "1"}) as bouncer,
        psycopg.connect(bouncer.url(), autocommit=True) as one,
        psycopg.connect(bouncer.url(), autocommit=True) as other,
    ):
        with one.transaction():
            mine = one.execute(_WHO).fetchone()
        with other.transaction():
            assert other.execute(_WHO).fetchone() == mine
            with pytest.raises(psycopg.OperationalError, match="query_wait_timeout"):
                one.execute(_WHO)


def test_it_can_stand_behind_or_before_a_proxy(postgresql: PostgreSQL) -> None:
    with Proxy(postgresql.port) as proxy, PgBouncer(proxy.port) as bouncer:
        name = postgresql.create_database()
        with psycopg.connect(bouncer.url(name)) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == (name,)
            assert proxy.connections == 1
        postgresql.drop_database(name)

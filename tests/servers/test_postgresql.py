"""Each power of the PostgreSQL servers that the tests start, shown once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.servers.installations import VERSIONS
from tests.servers.postgresql import PostgreSQL
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.installations import PostgreSQLVersion

_MOMENT = 0.1


@pytest.fixture
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


@pytest.mark.parametrize("_time", ["first", "second"])
def test_each_test_gets_an_empty_database(postgresql_url: str, _time: str) -> None:
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("CREATE TABLE coats (hook int)")


def test_a_database_is_dropped_under_whoever_is_connected_to_it(postgresql: PostgreSQL) -> None:
    name = postgresql.create_database()
    with psycopg.connect(postgresql.url(name)) as connection:
        postgresql.drop_database(name)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


@pytest.mark.processes
@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_runs_with_our_settings(version: PostgreSQLVersion) -> None:
    with PostgreSQL(version, settings={"work_mem": "5MB"}) as server:
        assert server.psql("SHOW server_version").startswith(version)
        names = "autovacuum fsync max_connections max_prepared_transactions synchronous_commit wal_level work_mem"
        values = [server.psql(f"SHOW {name}") for name in names.split()]
        assert values == ["off", "off", "200", "10", "on", "replica", "5MB"]
        assert f"port={server.port} " in server.conninfo
        assert server.url("a", sslmode="disable").endswith(f":{server.port}/a?sslmode=disable")
        folder = server.folder
    assert not folder.exists()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(server.url())


def test_psql_says_what_it_prints_and_fails_where_a_statement_does(postgresql: PostgreSQL) -> None:
    assert postgresql.psql("SELECT 1; SELECT 2, NULL;\n\\echo three") == "1\n2|\nthree"
    with pytest.raises(AssertionError, match="no_such_table"):
        postgresql.psql("TABLE no_such_table; SELECT 1")


@pytest.mark.processes
def test_what_is_committed_survives_both_ways_to_stop(server: PostgreSQL) -> None:
    server.execute("CREATE TABLE coats (hook int)")
    port = server.port
    server.restart()
    server.execute("INSERT INTO coats VALUES (1)")
    server.stop("immediate")
    server.start()
    assert server.execute("SELECT hook FROM coats") == [(1,)]
    assert server.port == port
    assert "not properly shut down" in server.log


@pytest.mark.processes
def test_a_kill_loses_the_commits_that_were_not_flushed(server: PostgreSQL) -> None:
    """And their transaction ids with them: the next one gets the same again."""
    server.configure({"wal_writer_delay": "10s"})
    server.restart()
    server.execute("CREATE TABLE coats (id xid8 DEFAULT pg_current_xact_id(), hook int)")
    server.execute("INSERT INTO coats (hook) VALUES (1)")
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        [lost] = connection.execute("INSERT INTO coats (hook) VALUES (2) RETURNING id::text").fetchall()
        server.kill()
    server.start()
    assert server.execute("SELECT hook FROM coats") == [(1,)]
    assert server.execute("INSERT INTO coats (hook) VALUES (3) RETURNING id::text") == [lost]


@pytest.mark.processes
def test_a_paused_server_keeps_its_connections_and_answers_later(server: PostgreSQL) -> None:
    with psycopg.connect(server.url()) as connection, ThreadPoolExecutor(1) as thread:
        server.pause()
        try:
            answer = thread.submit(connection.execute, "SELECT 1")
            with pytest.raises(TimeoutError):
                answer.result(_MOMENT)
        finally:
            server.resume()
        assert answer.result(DEADLINE).fetchone() == (1,)


@pytest.mark.processes
@pytest.mark.parametrize("how", ["pause", "kill"])
def test_a_broken_server_can_be_closed(how: str) -> None:
    with PostgreSQL() as server:
        getattr(server, how)()
    assert not server.folder.exists()


@pytest.mark.processes
@pytest.mark.parametrize("version", VERSIONS)
def test_a_replica_follows_late_and_is_promoted(version: PostgreSQLVersion) -> None:
    with PostgreSQL(version) as primary, primary.basebackup(apply_delay="1h") as replica:
        until(lambda: primary.execute("SELECT 1 FROM pg_stat_replication"), "the replica streams")
        primary.execute("CREATE TABLE coats (hook int)")
        assert replica.in_recovery
        assert replica.psql("\\dt") == ""
        replica.execute("ALTER SYSTEM SET recovery_min_apply_delay = 0")
        replica.execute("SELECT pg_reload_conf()")
        primary.wait_for_replay(replica)
        assert replica.execute("SELECT hook FROM coats") == []
        replica.promote()
        for each in (replica, primary):  # two primaries, which no longer know each other
            each.execute("INSERT INTO coats VALUES (1)")
            assert each.execute("SELECT count(*) FROM coats") == [(1,)]


@pytest.mark.processes
def test_servers_are_copies_unless_one_wants_an_identity_of_its_own() -> None:
    with PostgreSQL() as one, PostgreSQL() as other, PostgreSQL(own_identity=True) as third:
        identity = "SELECT system_identifier FROM pg_control_system()"
        assert one.execute(identity) == other.execute(identity) != third.execute(identity)


@pytest.mark.processes
def test_a_server_that_cannot_start_says_why() -> None:
    broken = PostgreSQL(settings={"wal_level": "much"})
    with pytest.raises(RuntimeError, match='invalid value for parameter "wal_level"'), broken:
        pass
    assert not broken.folder.exists()

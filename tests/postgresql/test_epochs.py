"""Whatever a server has forgotten, nobody takes its log for the one that stood there before.

Each test is one line of "what each database needs for the rule to hold".
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest

from coatcheck.errors import Unavailable
from tests.postgresql.worker import Worker
from tests.servers.accounts import give_away
from tests.servers.postgresql import PostgreSQL
from tests.servers.proxy import Proxy
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.postgresql.sides import Side

    Connect = Callable[..., Side]

pytestmark = pytest.mark.processes

MANY = 50
EVERYONE_OUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"
DELETE = "DELETE FROM coatcheck_sessions WHERE id = '{}'"


@pytest.fixture
def server() -> Iterator[PostgreSQL]:
    """A server for one test, which writes asynchronous commits only when somebody else makes it."""
    with PostgreSQL(settings={"wal_writer_delay": "10s"}) as server:
        yield server


def spend_numbers(server: PostgreSQL, database: str = "postgres", *, flushed: bool = True) -> None:
    """Commit so many transactions that change nothing of ours."""
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        connection.execute(f"SET synchronous_commit = {'on' if flushed else 'off'}".encode())
        for _ in range(MANY):
            connection.execute("SELECT pg_current_xact_id()")


@pytest.mark.parametrize("victim", ["one of its processes", "the server"])
def test_numbers_that_a_crash_hands_out_twice_begin_a_new_epoch(
    server: PostgreSQL, connect: Connect, victim: str
) -> None:
    """Without one, the session that ends after the crash ends at a number from before its copies were read."""
    side = connect(server.url())
    token_hash, row = side.added()
    worker = Worker(side)
    worker.poll()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        for _ in range(MANY):  # a note of it is in the log's buffers, and nowhere else
            connection.execute("SELECT pg_current_xact_id()")
        worker.keep(token_hash)
        assert worker.accepts(token_hash)
        pid = connection.info.backend_pid
        if victim == "the server":
            server.kill()
            server.start()
        else:
            # From inside: the tests' account may not be the server's.
            with pytest.raises(psycopg.OperationalError):
                connection.execute(f"COPY (SELECT 1) TO PROGRAM 'kill -9 {pid}'".encode())
            until(server.answers, "the server has recovered")
    side.until_it_answers()
    [[position]] = server.execute("SELECT pg_current_xact_id()::text::bigint")
    assert isinstance(position, int)
    assert position < worker.copies[token_hash].as_of, "the crash has lost no number, and shows nothing"
    server.execute(DELETE.format(row.id))
    worker.poll()
    assert not worker.accepts(token_hash)


def test_a_restart_begins_a_new_epoch_and_costs_nothing_else(server: PostgreSQL, connect: Connect) -> None:
    side = connect(server.url())
    token_hash, _ = side.added()
    before = side.poll()
    server.restart()
    side.until_it_answers()
    after = side.poll(before.cursor)
    assert after.epoch != before.epoch
    assert side.read(token_hash).epoch == after.epoch


def test_a_data_folder_that_is_put_back_begins_a_new_epoch(
    server: PostgreSQL, connect: Connect, tmp_path: Path
) -> None:
    """It was copied while the server was stopped, and with it the identity of that life."""
    side = connect(server.url())
    token_hash, row = side.added()
    worker = Worker(side)
    worker.poll()
    server.stop()
    shutil.copytree(server.data, tmp_path / "data")
    server.start()
    side.until_it_answers()
    spend_numbers(server)
    worker.poll()
    worker.keep(token_hash)
    server.stop()
    shutil.rmtree(server.data)
    shutil.copytree(tmp_path / "data", server.data)
    give_away(server.data)
    server.start()
    side.read(token_hash)
    server.execute(DELETE.format(row.id))
    for _ in range(4):
        spend_numbers(server)  # the cursor is not ahead any more
    worker.poll()
    assert not worker.accepts(token_hash)


def dump(server: PostgreSQL, database: str, target: Path) -> Path:
    _program(server, "pg_dump", "-Fc", "-f", target, server.url(database))
    return target


def _program(server: PostgreSQL, name: str, *words: str | Path) -> None:
    done = subprocess.run(
        [server.programs / name, *words], check=False, capture_output=True, text=True, timeout=DEADLINE
    )
    assert done.returncode == 0, done.stderr


def restore(server: PostgreSQL, database: str, source: Path, *options: str) -> None:
    _program(server, "pg_restore", *options, "-d", server.url(database), source)


@pytest.mark.parametrize("own_identity", [False, True], ids=["a copy of the server", "another server"])
def test_a_dump_restored_into_another_server_can_be_cached(
    connect: Connect, tmp_path: Path, *, own_identity: bool
) -> None:
    """Entries from its future would outdate every copy, and those of the past are of no use."""
    with PostgreSQL() as old, PostgreSQL(own_identity=own_identity) as new:
        for _ in range(40):
            spend_numbers(old)
        side = connect(old.url())
        (token_hash, kept), (ended, _) = side.added(), side.added()
        side.revoke(token_hash=ended)
        side.do("invalidate_user", kept.user_id)
        old.execute("UPDATE coatcheck_meta SET floor = 2^40")  # as after a trim late in the old server's life
        restore(new, "postgres", dump(old, "postgres", tmp_path / "dump"))
        worker = Worker(connect(new.url()))
        worker.poll()
        worker.keep(token_hash)
        assert worker.accepts(token_hash)
        assert worker.side.poll().epoch != side.poll().epoch
        new.execute(DELETE.format(kept.id))
        worker.poll()
        assert not worker.accepts(token_hash)


@pytest.mark.parametrize(
    "options", [("--clean",), ("--clean", "-t", "coatcheck_sessions")], ids=["everything", "only the sessions table"]
)
def test_a_dump_restored_into_the_same_server_begins_a_new_epoch(
    postgresql: PostgreSQL, postgresql_url: str, connect: Connect, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """It brings back the identity with the rest, and DROP TABLE fires no trigger."""
    database = postgresql_url.rpartition("/")[2]
    side = connect(postgresql_url)
    old, _ = side.added()
    worker = Worker(side)
    worker.poll()
    source = dump(postgresql, database, tmp_path / "dump")
    later, _ = side.added()
    worker.poll()
    worker.keep(old, later)
    assert worker.accepts(later)
    restore(postgresql, database, source, *options)
    side.do("migrate")
    worker.poll()
    assert not worker.accepts(later)
    assert side.read(later).record is None
    worker.keep(old)
    assert worker.accepts(old)


def test_a_database_that_takes_the_place_of_its_copy_begins_a_new_epoch(
    postgresql: PostgreSQL, connect: Connect
) -> None:
    database = postgresql.create_database()
    side = connect(postgresql.url(database))
    worker = Worker(side)
    worker.poll()
    postgresql.execute(EVERYONE_OUT.format(database))
    postgresql.execute(f"CREATE DATABASE {database}_copy TEMPLATE {database} STRATEGY file_copy")
    side.until_it_answers()
    later, _ = side.added()
    worker.poll()
    worker.keep(later)
    assert worker.accepts(later)
    postgresql.execute(EVERYONE_OUT.format(database))
    postgresql.execute(f"ALTER DATABASE {database} RENAME TO {database}_old")
    postgresql.execute(f"ALTER DATABASE {database}_copy RENAME TO {database}")
    side.until_it_answers()
    worker.poll()
    assert not worker.accepts(later)
    for name in (database, f"{database}_old"):
        postgresql.drop_database(name)


def test_a_standby_proves_nothing_until_it_is_promoted_and_then_in_a_new_epoch(connect: Connect) -> None:
    """Connections that were open before the promotion stay open, and know nothing of it."""
    with PostgreSQL() as primary:
        there = Worker(connect(primary.url()))
        token_hash, row = there.side.added()
        there.poll()
        with primary.basebackup() as standby:
            here = connect(standby.url())
            with pytest.raises(Unavailable, match="standby"):
                here.poll()
            with pytest.raises(Unavailable, match="standby"):
                here.read(token_hash)
            primary.wait_for_replay(standby)
            standby.promote()
            promoted = here.poll()
            assert promoted.epoch != there.side.poll().epoch
            reading = here.read(token_hash)
            assert (reading.epoch, reading.record) == (promoted.epoch, row)


def test_a_worker_that_is_led_to_the_promoted_standby_forgets_what_it_knew(connect: Connect) -> None:
    """Also where the standby had not heard of everything, so that numbers are handed out twice."""
    with PostgreSQL() as primary, Proxy(primary.port) as proxy:
        worker = Worker(connect(proxy.through(primary.url())))
        token_hash, row = worker.side.added()
        worker.poll()
        with primary.basebackup() as standby:
            primary.wait_for_replay(standby)
            standby.pause()
            spend_numbers(primary)
            worker.poll()
            worker.keep(token_hash)
            primary.kill()
            standby.resume()
            standby.promote()
            standby.execute(DELETE.format(row.id))
            proxy.target = standby.port
            proxy.cut()
            worker.side.until_it_answers()
            worker.poll()
            assert not worker.accepts(token_hash)
            assert worker.side.read(token_hash).record is None


def test_a_replica_that_was_promoted_says_nothing_of_the_old_log_any_more(connect: Connect) -> None:
    """It hands out the numbers that the primary hands out as well, and still holds a copy of the primary's epoch."""
    with PostgreSQL() as primary:
        make = connect(primary.url())
        token_hash, row = make.added()
        epoch = make.poll().epoch
        with primary.basebackup() as standby:
            primary.wait_for_replay(standby)
            side = connect(primary.url(), replica_url=standby.url())
            reading = side.do("read_nearby", token_hash)
            assert (reading.epoch, reading.record) == (epoch, row)
            standby.promote()
            assert side.do("read_nearby", token_hash).epoch == ""


def test_two_primaries_never_share_an_epoch(connect: Connect) -> None:
    """The old one still answers whoever is joined to it, and no copy of its is good at the new one."""
    with PostgreSQL() as primary:
        old = Worker(connect(primary.url()))
        token_hash, row = old.side.added()
        old.poll()
        with primary.basebackup() as standby:
            primary.wait_for_replay(standby)
            standby.promote()
            new = Worker(connect(standby.url()))
            new.poll()
            standby.execute(DELETE.format(row.id))
            old.poll()
            old.keep(token_hash)
            assert old.accepts(token_hash)  # the bound is void for those who are still joined to it, as is documented
            assert old.copies[token_hash].epoch != new.side.poll().epoch
            new.keep(token_hash)
            assert not new.accepts(token_hash)


def test_many_first_polls_agree_on_one_epoch(postgresql_url: str, connect: Connect) -> None:
    sides = [connect(postgresql_url) for _ in range(4)]
    assert len({side.poll().epoch for side in sides}) == 1

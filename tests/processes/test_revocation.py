"""Four processes validate in a loop while sessions are ended from outside: not one is accepted afterwards.

The one who ends a session notes the time when that has been committed; each worker notes, for each session, when the
last call began that accepted it. No such call may have begun after the commit. `COATCHECK_ROUNDS=10` makes ten times
as many.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from functools import partial
from itertools import count as numbers_from
from typing import TYPE_CHECKING

import pytest

from coatcheck import UsersTable
from tests.processes.fleet import fleet
from tests.processes.rounds import End, opened, plain, prove, run, timed
from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck import Created

pytestmark = pytest.mark.processes


def test_L7_revoked_by_the_api_in_another_process(path: str) -> None:
    """By token, by id, and all others than one: 900 revocations."""
    with opened(path) as sessions, fleet(path) as workers:

        def end(doomed: Sequence[Created]) -> list[End]:
            by_token, by_id, others = doomed[:30], doomed[30:60], doomed[60:]
            ends = [timed(partial(sessions.revoke, each.token)) for each in by_token]
            ends += [timed(partial(sessions.revoke_by_id, each.session.id, user_id="anna")) for each in by_id]
            own = sessions.create("anna")
            ended = timed(partial(sessions.revoke_others, own.session))
            sessions.revoke(own.token)
            return ends + [ended] * len(others)

        total = run(workers, sessions, rounds=10, dying=lambda: ["anna"] * 90, end=end)
    prove(total, revocations=900)


def test_L11_all_sessions_of_a_user(path: str) -> None:
    """By the API, user after user, of each all sessions in one transaction: 600 revocations."""
    with opened(path) as sessions, fleet(path) as workers:

        def end(doomed: Sequence[Created]) -> list[End]:
            users = dict.fromkeys(each.session.user_id or "" for each in doomed)
            ends = {user_id: timed(partial(sessions.revoke_user, user_id)) for user_id in users}
            return [ends[each.session.user_id or ""] for each in doomed]

        users = [f"user {number}" for number in range(20) for _ in range(6)]
        total = run(workers, sessions, rounds=5, dying=lambda: users, end=end)
    prove(total, revocations=600)


def test_L7_everyone_at_once(path: str) -> None:
    """One entry in the log ends them all: 600 revocations."""
    with opened(path) as sessions, fleet(path) as workers:

        def end(doomed: Sequence[Created]) -> list[End]:
            return [timed(sessions.revoke_everyone)] * len(doomed)

        total = run(workers, sessions, rounds=10, dying=lambda: ["anna", "berta"] * 30, end=end, living=None)
    prove(total, revocations=600)


def test_L7_deleted_by_a_plain_connection(path: str) -> None:
    """One by one, and many in one statement: 1,200 revocations."""
    with opened(path) as sessions, fleet(path) as workers, plain(path) as connection:

        def end(doomed: Sequence[Created]) -> list[End]:
            sql = "DELETE FROM coatcheck_sessions WHERE id = ?"
            ends = [timed(partial(connection.execute, sql, (each.session.id,))) for each in doomed[:60]]
            sql = "DELETE FROM coatcheck_sessions WHERE user_id = 'anna'"
            return ends + [timed(partial(connection.execute, sql))] * len(doomed[60:])

        total = run(workers, sessions, rounds=10, dying=lambda: ["anna"] * 120, end=end)
    prove(total, revocations=1_200)


class Shell:
    """The sqlite3 shell, with somebody typing into it."""

    def __init__(self, path: str) -> None:
        program = shutil.which("sqlite3")
        if program is None:
            missing("the sqlite3 shell is not installed")
        self._process = subprocess.Popen(
            [program, "-bail", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        self._input.write(".timeout 60000\nPRAGMA synchronous = OFF;\n")

    def type(self, sql: str) -> None:
        """Type a statement, and return when the shell has done it."""
        self._input.write(f"{sql};\n.print done\n")
        self._input.flush()
        assert self._output.readline() == "done\n"

    def close(self) -> None:
        self._input.close()
        self._output.close()
        assert self._process.wait(60) == 0


def test_L7_deleted_in_the_sqlite3_shell(path: str) -> None:
    """Typed one by one, with foreign keys off as they are there: 600 revocations."""
    with opened(path) as sessions, fleet(path) as workers, closing(Shell(path)) as shell:

        def end(doomed: Sequence[Created]) -> list[End]:
            sql = "DELETE FROM coatcheck_sessions WHERE id = '{}'"
            return [timed(partial(shell.type, sql.format(each.session.id))) for each in doomed]

        total = run(workers, sessions, rounds=10, dying=lambda: ["anna"] * 60, end=end)
    prove(total, revocations=600)


COMMAND = """
import sys
from coatcheck import Sessions
with Sessions(sys.argv[1]) as sessions:
    for session_id in sys.argv[2:]:
        assert sessions.revoke_any(session_id)
"""


def test_L7_revoked_by_a_command(path: str) -> None:
    """A process that lives for one batch, with the path as a URL: 200 revocations."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with opened(path) as sessions, fleet(path) as workers:

        def end(doomed: Sequence[Created]) -> list[End]:
            ids = [each.session.id for each in doomed]
            command = [sys.executable, "-c", COMMAND, f"sqlite:///{path}", *ids]
            return [timed(partial(subprocess.run, command, check=True, env=environment))] * len(ids)

        total = run(workers, sessions, rounds=4, dying=lambda: ["anna"] * 50, end=end)
    prove(total, revocations=200)


@pytest.mark.parametrize("foreign_keys", [True, False], ids=["foreign keys on", "foreign keys off"])
def test_L11_the_user_is_deleted(path: str, foreign_keys: bool) -> None:
    """By the foreign key where it is on, by the triggers where it is off: 150 users with 600 sessions."""
    users = UsersTable(foreign_key=foreign_keys)
    with plain(path, foreign_keys=foreign_keys) as connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, role TEXT)")
        connection.execute("INSERT INTO users (id, name) VALUES (1, 'Lives')")
        fresh = numbers_from(2)

        def register() -> list[str]:
            ids = [next(fresh) for _ in range(30)]
            connection.executemany("INSERT INTO users (id, name) VALUES (?, 'Dies')", [(each,) for each in ids])
            return [str(each) for each in ids for _ in range(4)]

        def end(doomed: Sequence[Created]) -> list[End]:
            ids = dict.fromkeys(each.session.user_id for each in doomed)
            sql = "DELETE FROM users WHERE id = ?"
            ends = {each: timed(partial(connection.execute, sql, (each,))) for each in ids}
            return [ends[each.session.user_id] for each in doomed]

        with opened(path, users) as sessions, fleet(path, users={"foreign_key": foreign_keys}) as workers:
            total = run(workers, sessions, rounds=5, dying=register, end=end, living="1")
    prove(total, revocations=600)

"""Several processes on one file at the same moment: limits, single flights, write load, migrations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from coatcheck import NotSignedIn, Session, Sessions
from coatcheck.stores.sqlite import SQLiteStore
from tests.processes.fleet import ROOT, fleet, now
from tests.processes.rounds import opened, plain

if TYPE_CHECKING:
    from typing import Any

    from tests.processes.fleet import Fleet

pytestmark = pytest.mark.processes

PARALLEL = 20
LIMIT = 3


def sign_in(workers: Fleet, user_id: str, when_full: str, times: int = PARALLEL) -> list[dict[str, Any]]:
    """Sign a user in so many times at once, over all processes."""
    per_worker = times // len(workers.workers)
    answers = workers.ask(
        "sign_in", user_id=user_id, times=per_worker, limit=LIMIT, when_full=when_full, start=now() + 50_000_000
    )
    return list(chain.from_iterable(answer["results"] for answer in answers))


def test_L15_S7_parallel_sign_ins_leave_exactly_as_many_sessions_as_allowed(path: str) -> None:
    """200 sign-ins, 20 at once over four processes, with each policy: never more than 3, and never fewer."""
    with opened(path) as sessions, fleet(path) as workers:
        for number, when_full in enumerate(["evict_oldest"] * 4 + ["refuse"] * 3 + ["ask"] * 3):
            user_id = f"user {number}"
            results = sign_in(workers, user_id, when_full)
            assert len(results) == PARALLEL
            live = {session.id for session in sessions.list(user_id, limit=100)}
            assert len(live) == LIMIT
            signed_in = {each["id"]: each for each in results if "id" in each}
            refused = [each for each in results if "limit" in each]
            assert live <= set(signed_in)
            evicted = [session_id for each in signed_in.values() for session_id in each["evicted"]]
            assert sorted(evicted) == sorted(set(signed_in) - live), "each is told of once"
            for each in signed_in.values():
                assert isinstance(sessions.get(each["token"]), Session if each["id"] in live else NotSignedIn)
            if when_full == "evict_oldest":
                assert len(signed_in) == PARALLEL, "the new session always survives its own sign-in"
            else:
                assert len(signed_in) == LIMIT
                choice = LIMIT if when_full == "ask" else 0
                assert refused == [{"limit": LIMIT, "choice": choice}] * (PARALLEL - LIMIT)


def test_L15_sign_ins_against_revocations_keep_the_limit(path: str) -> None:
    """While places become free all the time, they are never given to two."""
    with opened(path) as sessions, fleet(path) as workers:
        seen = []
        for _ in range(5):
            workers.tell("sign_in", user_id="anna", times=5, limit=LIMIT, when_full="refuse", start=now() + 20_000_000)
            for _ in range(10):
                live = sessions.list("anna", limit=100)
                seen.append(len(live))
                for session in live[:1]:
                    sessions.revoke_by_id(session.id, user_id="anna")
            workers.hear()
        seen.append(len(sessions.list("anna", limit=100)))
    assert max(seen) <= LIMIT
    assert any(seen)


def test_I5_a_thousand_requests_for_one_uncached_session_make_one_read_per_process(path: str) -> None:
    with opened(path) as sessions, fleet(path) as workers:
        created = sessions.create("anna")
        answers = workers.ask("stampede", token=created.token.reveal(), requests=1_000)
    assert answers == [{"answers": 1_000, "reads": 1}] * 4


def test_a_locked_database_is_waited_for_under_write_load(path: str) -> None:
    """Four processes with three threads each create, save, rotate and revoke: nobody is told of a lock."""
    with opened(path), fleet(path) as workers:
        answers = workers.ask("write_a_lot", user_id="anna", times=10, threads=3)
    assert answers == [{"errors": []}] * 4
    with plain(path) as connection:
        assert connection.execute("SELECT count(*) FROM coatcheck_sessions").fetchall() == [(0,)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


MIGRATE = """
import json, sys, time
from coatcheck import Sessions, UsersTable
from coatcheck.clock import SystemClock
from coatcheck.stores.sqlite import SQLiteStore
settings = json.loads(sys.argv[1])
users = UsersTable(foreign_key=True) if settings["users"] else None
store = SQLiteStore(settings["path"], users=users)
print("ready", flush=True)
start = int(sys.stdin.readline())
while (left := start - SystemClock.monotonic()) > 0:
    time.sleep(left / 2e9)
steps = list(store.migrate())
with Sessions(SQLiteStore(settings["path"], users=users, migrate=False)) as sessions:
    created = sessions.create("1")
    print(json.dumps({"steps": steps, "valid": bool(sessions.get(created.token))}))
"""


@pytest.mark.parametrize("users", [False, True], ids=["empty file", "with users"])
def test_processes_that_start_together_migrate_together(path: str, users: bool) -> None:
    """As the workers of a server do on a fresh machine: one of them does it, and all can work."""
    if users:
        with plain(path) as connection:
            connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, role TEXT)")
            connection.execute("INSERT INTO users (id, name) VALUES (1, 'Anna')")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", MIGRATE, json.dumps({"path": path, "users": users})]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    start = f"{now() + 20_000_000}\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(start)
        process.stdin.flush()
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert all(answer["valid"] for answer in answers)
    assert sum(bool(answer["steps"]) for answer in answers) == 1
    with Sessions(SQLiteStore(path, migrate=False)) as sessions:
        assert len(sessions.list("1")) == 4

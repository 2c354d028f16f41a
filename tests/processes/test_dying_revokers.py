"""A revoker is killed in the middle, or a worker is stopped across it: what is committed counts, and only that."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest

from coatcheck import Session
from tests.processes.fleet import Process, fleet, now
from tests.processes.rounds import ROUNDS, Count, End, count, opened, plain, prove, run, sign_in, timed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck import Created, Sessions
    from tests.processes.fleet import Fleet

pytestmark = pytest.mark.processes

EACH = 150
"""Sessions to be revoked one by one by a process that is killed after some dozens at the most."""


def intact(path: str) -> bool:
    with plain(path) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)])


def rows_of(path: str, created: Sequence[Created]) -> list[bool]:
    """Tell for each session whether its row is there."""
    with plain(path) as connection:
        ids = {each for (each,) in connection.execute("SELECT id FROM coatcheck_sessions")}
    return [each.session.id in ids for each in created]


def revoker(path: str) -> Process:
    process = Process(path)
    assert process.hear() == {"ready": True}
    return process


def agree(workers: Fleet, sessions: Sessions, created: Sequence[Created]) -> None:
    """Verify that every process accepts exactly the sessions whose rows are there."""
    rows = rows_of(workers.path, created)
    with workers.validating([each.token.reveal() for each in created]) as tallies:
        pass
    for tally in tallies:
        assert [refused == 0 for refused in tally["first_refused"]] == rows
    assert [isinstance(sessions.get(each.token), Session) for each in created] == rows


def test_L7_killed_between_two_revocations_or_in_one(path: str) -> None:
    """What had been revoked is refused, what had not is accepted, and the workers see nothing in between."""
    total, undone = Count(), 0
    with opened(path) as sessions, fleet(path) as workers:
        for seed in range(8 * ROUNDS):
            created = sign_in(path, sessions, ["anna"] * EACH)
            tokens = [each.token.reveal() for each in created]
            process = revoker(path)
            with workers.validating(tokens) as tallies:
                asked = now()
                process.tell("revoke_each", tokens=tokens)
                for _ in range(Random(seed).randrange(1, 50)):  # noqa: S311 - examples, not secrets
                    heard = process.hear()
                process.kill()
                heard = ([heard, *process.rest()])[-1]
                finished = now()
            rows = rows_of(path, created)
            assert not any(rows[: heard["revoked"] + 1]), "it had said so, so it had been committed"
            assert rows == sorted(rows), "one after the other"
            total = total.plus(count(tallies, [None if row else End(asked, finished) for row in rows]))
            undone += sum(rows)
            agree(workers, sessions, created)
            assert sessions.create("berta"), "no lock is left behind"
    assert intact(path)
    assert total.accepted_after == total.refused_before == 0
    assert total.revocations + undone == 8 * EACH * ROUNDS
    assert total.revocations
    assert undone


def test_L7_killed_in_a_large_transaction(path: str) -> None:
    """All of a user's sessions or none, wherever the kill hits it; both happen."""
    outcomes = set()
    with opened(path) as sessions, fleet(path, kinds=("plain", "tasks")) as workers:
        for pause in ("locked", 0, 1, 2, 4, 8, 16, "finished"):
            created = sign_in(path, sessions, ["anna"] * 1_500)
            some = created[::100]
            process = revoker(path)
            with plain(path) as other, workers.validating([each.token.reveal() for each in some]) as tallies:
                if pause == "locked":  # so that it cannot have got anywhere
                    other.execute("BEGIN IMMEDIATE")
                asked = now()
                process.tell("revoke_user", user_id="anna")
                assert process.hear() == {"begun": True}
                if pause == "finished":
                    assert process.hear() == {"revoked": 1_500}
                if isinstance(pause, int):
                    time.sleep(pause / 1000)  # the moment of the kill is what is tried out
                process.kill()
                finished = now()
            rows = rows_of(path, created)
            assert len(set(rows)) == 1, "all of them or none"
            outcomes.add(rows[0])
            ends = [None if row else End(asked, finished) for row in rows[::100]]
            total = count(tallies, ends)
            assert total.accepted_after == total.refused_before == 0
            agree(workers, sessions, some)
            sessions.revoke_user("anna")
    assert outcomes == {True, False}
    assert intact(path)


def test_L7_killed_before_the_caller_s_commit(path: str) -> None:
    """Revocations on a connection whose owner dies without a commit have never happened."""
    with opened(path) as sessions, fleet(path, kinds=("plain", "tasks")) as workers:
        created = sign_in(path, sessions, ["anna"] * 50)
        tokens = [each.token.reveal() for each in created]
        process = revoker(path)
        with workers.validating(tokens) as tallies:
            process.tell("revoke_and_wait", tokens=tokens)
            assert process.hear() == {"revoked": 50}
            process.kill()
        total = count(tallies, [None] * 50)
        assert (total.refusals, total.refused_before) == (0, 0)
        agree(workers, sessions, created)
        assert sessions.revoke_user("anna") == 50
    assert intact(path)


@pytest.mark.parametrize("lease", [0.02, 60.0], ids=["short lease", "long lease"])
def test_L7_stopped_across_revocations(path: str, lease: float) -> None:
    """A process that stands still while sessions are ended accepts none when it goes on: 400 revocations.

    With a long lease it would be allowed to by the clock; `data_version` says that it may not.
    """
    with opened(path) as sessions, fleet(path, lease=lease) as workers:

        def end(doomed: Sequence[Created]) -> list[End]:
            for worker in workers.workers:
                worker.stop()
            ends = [timed(partial(sessions.revoke, each.token)) for each in doomed]
            for worker in workers.workers:
                worker.signal(signal.SIGCONT)
            return ends

        total = run(workers, sessions, rounds=8, dying=lambda: ["anna"] * 50, end=end)
    prove(total, revocations=400)


def test_S9_a_worker_that_is_killed_disturbs_nobody(path: str) -> None:
    """Not even in the middle of a write: the others go on, and its sessions go on elsewhere."""
    with opened(path) as sessions, fleet(path, kinds=("plain", "tasks")) as workers:
        created = sign_in(path, sessions, ["anna"] * 5)
        for _ in range(3):
            process = revoker(path)
            process.tell("write_a_lot", user_id="berta", times=10_000, threads=2)
            with workers.validating([each.token.reveal() for each in created]) as tallies:
                before = head(path)
                deadline = now() + 30 * 10**9
                while head(path) < before + 5:
                    assert now() < deadline
                os.kill(process.process.pid, signal.SIGKILL)
                process.kill()
            assert count(tallies, [None] * 5).refused_before == 0
            assert sessions.create("carla")
        agree(workers, sessions, created)
    assert intact(path)


def head(path: str) -> int:
    with plain(path) as connection:
        (position,) = connection.execute("SELECT coalesce(max(position), 0) FROM coatcheck_log").fetchone()
    return int(position)

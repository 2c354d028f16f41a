"""Two real processes on a real store: what they tell adds up, also when one is killed or its connections are cut."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Self

import pytest

from coatcheck import FleetNumbers, Sessions
from coatcheck.core.fleet import Counts
from tests.servers.proxy import Proxy
from tests.servers.waiting import until

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from coatcheck.core.fleet import FleetReading


class Worker:
    """A process of `tests.numbers.worker`. As a context manager it is started, and ended after."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-m", "tests.numbers.worker", url]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def do(self, word: str, times: int) -> None:
        """Have it do something so often, and wait until it is done."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word} {times}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


def told(numbers: FleetNumbers, workers: int, **counts: int) -> FleetReading:
    """Wait until so many workers live, and have counted this in all."""

    def matching() -> list[FleetReading]:
        found = numbers.read()
        right = all(getattr(found.totals, name) == count for name, count in counts.items())
        return [found] if right and len(found.workers) == workers else []

    return until(matching, f"{workers} workers have counted {counts}")[0]


def in_all(found: FleetReading) -> Counts:
    """Return what the history says has happened."""
    total = Counts()
    for minute in found.history:
        total = total.plus(minute.counts)
    return total


@pytest.mark.parametrize("store", ["sqlite", "postgresql", "valkey"])
def test_what_two_processes_tell_adds_up(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """One is killed: it disappears from those that live, and what it did does not."""
    url = f"sqlite:///{tmp_path / 'app.db'}" if store == "sqlite" else request.getfixturevalue(f"{store}_url")
    with Sessions(url) as sessions, Worker(url) as one, Worker(url) as two:
        numbers = FleetNumbers(sessions)
        one.do("create", 4)
        one.do("revoke", 2)
        two.do("create", 1)
        for worker in (one, two):
            worker.do("get", 100)
        found = told(numbers, 2, created=7, revoked=2)
        asked = found.totals.memory + found.totals.store
        assert asked == found.totals.asked
        assert asked >= 202  # what each asked while it began is one or more
        assert found.active is not None
        assert in_all(found) == found.totals
        if store != "sqlite":  # where each request looks before it is answered, nothing is on its way
            numbers.store.probe()  # or it would take half a minute until one of them writes the next
            until(lambda: numbers.read().propagation, "a worker has seen it")
            probed = numbers.read().propagation
            assert probed is not None
            assert timedelta(0) <= probed.p50 <= probed.p99 <= probed.longest <= timedelta(seconds=2)
        two.do("get", 50)
        told(numbers, 2, created=7, memory=found.totals.memory + 50)
        one.process.kill()  # SIGKILL: it has no last word
        left = told(numbers, 1, created=2, revoked=0)
        assert left.totals.asked < found.totals.asked
        assert in_all(left) == found.totals._replace(memory=found.totals.memory + 50)


@pytest.mark.parametrize("store", ["postgresql", "valkey"])
def test_a_cut_connection_loses_nothing(store: str, request: pytest.FixtureRequest) -> None:
    """While the store cannot be reached requests are answered from memory as before; afterwards all of it is told."""
    url = request.getfixturevalue(f"{store}_url")
    server = request.getfixturevalue(store)
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(server.port))
        sessions = stack.enter_context(Sessions(url))
        worker = stack.enter_context(Worker(proxy.through(url)))
        numbers = FleetNumbers(sessions)
        worker.do("create", 2)
        told(numbers, 1, created=3)
        proxy.refuse()
        proxy.cut(reset=True)
        told(numbers, 0)
        proxy.restore()
        worker.do("create", 2)
        found = told(numbers, 1, created=5)
        assert in_all(found).created == 5


def test_nothing_that_is_told_names_a_user_a_token_or_a_host(tmp_path: Path) -> None:
    """Rule T9, and for the rest nobody needs it."""
    with Sessions(f"sqlite:///{tmp_path / 'app.db'}") as sessions, FleetNumbers(sessions) as numbers:
        token = sessions.create("a-user-id").token
        sessions.get(token)
        numbers.tell()
        text = (tmp_path / "app.db-wal").read_bytes() + (tmp_path / "app.db").read_bytes()
        assert b'"created":1' in text
        for row in numbers.store.reports().rows:
            assert not any(word in row.report for word in ("a-user-id", token.reveal(), os.uname().nodename))

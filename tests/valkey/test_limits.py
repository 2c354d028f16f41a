"""I6: a limit holds however many processes sign in at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.valkey import Valkey
    from tests.valkey.sides import Side

    Connect = Callable[..., Side]

LIMIT = 5
ROOT = Path(__file__).parents[2]


def from_four_processes(kind: str, url: str, when_full: str) -> list[int]:
    """Sign one user in 200 times; returns how many sign-ins of each process succeeded."""
    command = [sys.executable, "-m", "tests.valkey.signing_in", kind, url, "50", str(LIMIT), when_full]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) for _ in range(4)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        return [int(process.communicate(timeout=DEADLINE)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.processes
def test_I6_two_hundred_sign_ins_at_once_leave_no_more(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    assert sum(from_four_processes(side.kind, server.url(), "evict_oldest")) == 200
    assert len(side.ids("ann")) == LIMIT
    assert len([entry for entry in side.poll().entries if entry.subject.startswith("s:")]) == 200 - LIMIT


@pytest.mark.processes
def test_I6_two_hundred_sign_ins_at_once_let_no_more_in(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    assert sum(from_four_processes(side.kind, server.url(), "refuse")) == LIMIT
    assert len(side.ids("ann")) == LIMIT

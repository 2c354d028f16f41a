"""A process, all that it has started, and the signals that stop, continue and kill them together."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from pathlib import Path

from tests.servers.waiting import DEADLINE, until

_GONE = "XZ"


def _state_and_parent(pid: int) -> tuple[str, int] | None:
    try:
        # The name, in parentheses, may hold anything; what follows the last one may not.
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return state, int(parent)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    everyone = {int(entry.name): _state_and_parent(int(entry.name)) for entry in Path("/proc").glob("[0-9]*")}
    return [child for child, found in everyone.items() if found and found[1] == pid and found[0] not in _GONE]


def _stands_still(pid: int) -> bool:
    found = _state_and_parent(pid)
    return found is None or found[0] in f"T{_GONE}"


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _stop(pid: int) -> None:
    _signal(pid, signal.SIGSTOP)
    until(lambda: _stands_still(pid), f"process {pid} stands still")


def _wait_for_the_end(pid: int) -> None:
    with suppress(ProcessLookupError):
        watched = os.pidfd_open(pid)
        try:
            if not select.select([watched], [], [], DEADLINE)[0]:
                raise TimeoutError(f"process {pid} outlives SIGKILL")
        finally:
            os.close(watched)


def pause(pid: int) -> list[int]:
    """Stop a process and its children, and return all of them when they stand still.

    The parent comes first: then it can neither start another child nor miss one.
    """
    _stop(pid)
    started = children(pid)
    for child in started:
        _stop(child)
    return [pid, *started]


def resume(pid: int) -> None:
    """Let a process and its children go on."""
    for each in (*children(pid), pid):
        _signal(each, signal.SIGCONT)


def kill(pid: int) -> None:
    """Kill a process and its children, and return when none of the children is left.

    The parent stands still first, so that it does not see a child die and begin to repair what is broken.
    """
    _stop(pid)
    started = children(pid)
    for each in (*started, pid):
        _signal(each, signal.SIGKILL)
    for child in started:
        _wait_for_the_end(child)

"""The command as a process of its own: entry points, Ctrl-C, and a reader that goes away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from coatcheck import Session

pytestmark = pytest.mark.processes

MODULE = [sys.executable, "-W", "error", "-m", "coatcheck"]
# A shell starts what it runs in the background with Ctrl-C ignored, and that is inherited by all that follows.
INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("coatcheck", run_name="__main__")
"""
SCRIPT = [str(Path(sysconfig.get_path("scripts")) / "coatcheck")]
STORE = ["--store", "sqlite:///app.db"]


@pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
def test_both_entry_points_are_the_command(command: list[str], signed_in: list[Session]) -> None:
    """`coatcheck` and `python -m coatcheck`, and the exit code is the process's."""
    listed = subprocess.run([*command, "sessions", "list", *STORE], capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 5
    assert listed.stderr == ""
    wrong = subprocess.run([*command, "sessions", "list"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("coatcheck: no database is named")


def test_ctrl_c_at_the_question_ends_nothing_and_shows_no_traceback(signed_in: list[Session]) -> None:
    """Interrupted while it waits for an answer: exit 130."""
    terminal, theirs = os.openpty()
    command = [sys.executable, "-W", "error", "-c", INTERRUPTIBLE, "sessions", "revoke", "--everyone", *STORE]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        said = b""
        while not said.endswith(b"[y/N] "):
            read = process.stderr.read(1)
            assert read, said
            said += read
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert (process.wait(), process.stdout.read()) == (130, b"")
    os.close(terminal)
    os.close(theirs)
    assert b"Traceback" not in rest


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_no_crash(signed_in: list[Session], unbuffered: str) -> None:
    """As in `coatcheck sessions list | head -0`: exit 141 and silence, as of a shell's own commands."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*MODULE, "sessions", "list", *STORE],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")

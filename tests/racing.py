"""Processes that do one thing at the same moment, on a store that they share."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from coatcheck.stores.sqlite import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgresql", "valkey"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a store that processes share, with its tables."""
    if request.param == "sqlite":
        SQLiteStore(str(tmp_path / "shared.db")).migrate()
        return f"sqlite:///{tmp_path}/shared.db"
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@contextmanager
def racers(script: Path, *arguments: str, count: int) -> Iterator[Callable[[str], list[str]]]:
    """Start so many processes of a script, and wait until each has said "ready".

    What is given tells all of them one line at once, and returns what each says before it ends.
    """
    command = [sys.executable, str(script), *arguments]
    with ExitStack() as stack:
        started: list[subprocess.Popen[str]] = []
        for _ in range(count):
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            started.append(stack.enter_context(process))
            stack.callback(process.kill)
        assert [process.stdout.readline() for process in started if process.stdout] == ["ready\n"] * count

        def race(line: str) -> list[str]:
            for process in started:
                assert process.stdin is not None
                process.stdin.write(line + "\n")
                process.stdin.flush()
            return [process.communicate()[0] for process in started]

        yield race

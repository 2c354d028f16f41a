"""An empty folder with a database, a clean environment, and the command run in this process."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from coatcheck import Sessions
from coatcheck.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from coatcheck import Session

STORE = "sqlite:///app.db"


@dataclass
class Result:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder, with none of the command's variables set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in os.environ:
        if name.startswith("COATCHECK_"):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command."""

    def run(*arguments: str) -> Result:
        code = main(arguments)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def sessions(folder: Path) -> Iterator[Sessions]:
    """Give the sessions of app.db, as the application has them."""
    made = Sessions(STORE).open()
    yield made
    made.close()


@pytest.fixture
def signed_in(sessions: Sessions) -> list[Session]:
    """Sign in ada twice and bob once; one visitor is anonymous."""
    agent = "curl/8.5.0"
    return [sessions.create(user, ip="192.0.2.1", user_agent=agent).session for user in ("ada", "ada", "bob", None)]

"""The demo's two processes inside one test, on one file and one clock."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from coatcheck.demo.application import create_app
from coatcheck.demo.schema import prepare
from coatcheck.demo.settings import Settings
from coatcheck.testing import ManualClock
from tests.demo.processes import Browser

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from fastapi import FastAPI

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0"


class Processes(NamedTuple):
    """Both processes, what they share, and browsers to use them with."""

    apps: tuple[FastAPI, FastAPI]
    database: str
    clock: ManualClock
    browser: Callable[..., Browser]


@pytest.fixture
def demo(tmp_path: Path) -> Generator[Processes]:
    """Start both processes; passwords are hashed as cheaply as possible."""
    database = str(tmp_path / "demo.sqlite3")
    prepare(database)
    clock = ManualClock()
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    apps = [
        create_app(
            Settings(number=number, host="127.0.0.1", first_port=8000, database=database), hasher=hasher, clock=clock
        )
        for number in (1, 2)
    ]
    with ExitStack() as stack:
        clients = [
            stack.enter_context(TestClient(app, base_url=f"https://127.0.0.1:{port}", follow_redirects=False))
            for app, port in zip(apps, (8000, 8001), strict=True)
        ]
        yield Processes((apps[0], apps[1]), database, clock, lambda agent=FIREFOX: Browser(clients, agent))

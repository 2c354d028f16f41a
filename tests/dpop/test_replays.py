"""A proof gets one request in, however many workers it is sent to at once (rules J8, S7)."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from coatcheck.stores.postgresql import PostgreSQLStore
from coatcheck.stores.sqlite import SQLiteStore
from tests.dpop.client import ORIGIN, Client

WORKERS, THREADS = 3, 40


@pytest.fixture(params=["sqlite", "postgresql", "valkey"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a store that processes share."""
    if request.param == "sqlite":
        SQLiteStore(str(tmp_path / "app.db")).migrate()
        return f"sqlite:///{tmp_path}/app.db"
    url: str = request.getfixturevalue(f"{request.param}_url")
    if request.param == "postgresql":
        store = PostgreSQLStore(url)
        store.migrate()
        store.close()
    return url


@pytest.mark.processes
def test_S7_of_120_requests_with_one_proof_over_3_workers_one_gets_in(url: str) -> None:
    client, token = Client(), "a-token"
    address = f"{ORIGIN}/things"
    sent = {"proof": client.proof("GET", address, token), "thumbprint": client.thumbprint}
    command = [sys.executable, str(Path(__file__).with_name("spender.py")), url, str(THREADS)]
    with ExitStack() as stack:
        workers: list[subprocess.Popen[str]] = []
        for _ in range(WORKERS):
            worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            workers.append(stack.enter_context(worker))
            stack.callback(worker.kill)
        assert [worker.stdout.readline() for worker in workers if worker.stdout] == ["ready\n"] * WORKERS
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write(json.dumps({**sent, "address": address, "token": token}) + "\n")
            worker.stdin.flush()
        counts = [int(worker.communicate()[0]) for worker in workers]
    assert sorted(counts) == [0] * (WORKERS - 1) + [1]

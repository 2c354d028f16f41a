"""A proof gets one request in, however many workers it is sent to at once (rules J8, S7)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.dpop.client import ORIGIN, Client
from tests.racing import racers

WORKERS, THREADS = 3, 40


@pytest.mark.processes
def test_S7_of_120_requests_with_one_proof_over_3_workers_one_gets_in(shared_url: str) -> None:
    client, token = Client(), "a-token"
    address = f"{ORIGIN}/things"
    sent = {"proof": client.proof("GET", address, token), "thumbprint": client.thumbprint}
    script = Path(__file__).with_name("spender.py")
    with racers(script, shared_url, str(THREADS), count=WORKERS) as race:
        counts = [int(said) for said in race(json.dumps({**sent, "address": address, "token": token}))]
    assert sorted(counts) == [0] * (WORKERS - 1) + [1]

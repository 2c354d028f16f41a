"""Where the numbers can be read: at the gate, and on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import ConfigurationError, FleetNumbers, Sessions, Settings
from coatcheck.cli import main
from coatcheck.core.fleet import Counts
from coatcheck.serve.application import Served
from tests.serve.asked import Asked
from tests.web.browser import started

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'app.db'}"


@pytest.mark.anyio
async def test_the_gate_answers_for_the_whole_fleet(url: str) -> None:
    """What another worker has told too; and when the gate stops, it has had its last word."""
    with Sessions(url) as sessions, FleetNumbers(sessions) as numbers:
        sessions.create("ada")
        numbers.tell()
        served = Served(Settings.load(environ={"COATCHECK_STORE": url, "COATCHECK_SERVE_NUMBERS_EVERY": "60s"}))
        async with started(served):
            gate = Asked(served)
            await gate.token()
            text = ""
            while "\ncoatcheck_fleet_workers 2\n" not in text:  # it tells for the first time while it starts
                text = (await gate.request("GET", "/metrics")).body.decode()
            assert text.count(',event="created"} 1\n') == 1
            for name in ("workers", "sessions_active", "answers_total", "sessions_total"):
                assert f"# TYPE coatcheck_fleet_{name} " in text
        assert len(numbers.read().workers) == 1
        assert numbers.read().history[-1].counts == Counts(created=2)


@pytest.mark.anyio
async def test_without_the_setting_the_gate_counts_nothing(url: str) -> None:
    served = Served(Settings.load(environ={"COATCHECK_STORE": url}))
    async with started(served):
        assert "fleet" not in (await Asked(served).request("GET", "/metrics")).body.decode()
        assert "lookup" not in vars(served.sessions.reads)


def test_an_interval_out_of_bounds_is_refused_where_it_was_written(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"COATCHECK_SERVE_NUMBERS_EVERY='2m' is not possible: use 1 to 60"):
        Settings.load(environ={"COATCHECK_STORE": url, "COATCHECK_SERVE_NUMBERS_EVERY": "2m"})


def test_the_command_prints_what_workers_have_told(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For people, and as JSON; nobody needs to be there any more."""
    with Sessions(url) as sessions, FleetNumbers(sessions) as numbers:
        token = sessions.create("ada").token
        for _ in range(4):
            sessions.get(token)
        numbers.tell()
        assert main(["stats", "--store", url]) == 0
        told = capsys.readouterr().out
        assert "workers         1 worker\n" in told
        assert "last half hour  1 created, 0 revoked, 0 evicted\n" in told
        assert "answers         4: memory 75.0%, shared 0.0%, store 25.0%" in told
        assert "propagation     not measured\n" in told
        assert main(["stats", "--store", url, "--json"]) == 0
        found: Any = json.loads(capsys.readouterr().out)
        assert found["totals"]["memory"] == 3
        assert len(found["history"]) == 30
    assert main(["stats", "--store", url]) == 0
    assert "workers         none that tells its numbers\n" in capsys.readouterr().out

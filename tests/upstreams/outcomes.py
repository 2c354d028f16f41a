"""A plugin for pytest, in a process of its own: what came of each test, as JSON in the file that OUTCOMES names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_found: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the first thing that went wrong with a test, or that it has passed."""
    name = report.nodeid.partition("::")[2]
    if report.failed:
        _found[name] = report.longreprtext
    elif report.skipped:
        _found[name] = "skipped"
    elif report.when == "call":
        _found.setdefault(name, "passed")


def pytest_sessionfinish() -> None:
    """Write all of it."""
    Path(os.environ["OUTCOMES"]).write_text(json.dumps(_found), encoding="utf-8")

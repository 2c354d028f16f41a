"""All that runs in Pyodide, each test under its own name; they are run together, because starting it takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import missing
from tests.workers.inside.runner import collect
from tests.workers.pyodide import SECONDS, WHEELS, outcomes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

TESTS = collect()


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Mapping[str, str | None]:
    """What became of those that are wanted now."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    wanted = {item.callspec.params["name"] for item in items if item.originalname == "test_in_pyodide"}
    return outcomes_of([name for name in TESTS if name in wanted])


@pytest.mark.timeout(SECONDS + 20)  # the first one waits for all
@pytest.mark.processes
@pytest.mark.parametrize("name", TESTS, ids=lambda name: name)
def test_in_pyodide(name: str, outcomes: Mapping[str, str | None]) -> None:
    if name.startswith("frameworks::") and not WHEELS.is_dir():
        missing(f"{WHEELS.name} has no pydantic-core for Pyodide: make test brings it")
    if (error := outcomes[name]) is not None:
        pytest.fail(error, pytrace=False)

"""Runs of a simulated fleet with cached values beside its sessions: see `value_simulation.py`.

`make simulate SEEDS=5000` runs more of them. A run that fails is repeated by its seed, which is its parameter.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.coherence import value_mistakes as mistakes
from tests.coherence.value_simulation import ValueSimulation
from tests.coherence.virtual import Violated

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.coherence.value_mistakes import Mistake

SEEDS = 20
ENOUGH = 200
"""A mistake that so many runs do not show would not be found by those above either."""


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    # What is logged of every accident would be kept, and there are many.
    caplog.set_level(logging.CRITICAL, "coatcheck")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_I1_I2_I3_I5_every_answer_is_true(seed: int) -> None:
    """Whatever the network, the machines and the loaders do."""
    ValueSimulation(seed).run()


def test_a_run_is_repeated_by_its_seed() -> None:
    """To the last step."""
    for seed in (1, 2):
        first = ValueSimulation(seed).run()
        assert len(first) > 100
        assert ValueSimulation(seed).run() == first


def test_everything_happens() -> None:
    """Values are loaded, loaded anew and served when their time is over, in every kind of fleet."""
    runs = [ValueSimulation(seed) for seed in (*range(8), 20, 35, 41, 42)]
    for run in runs:
        run.run()
    for name in ("loads", "failures", "refreshes", "stale"):
        assert any(run.numbers[name] for run in runs), name
    assert {run.kind for run in runs} == {"sqlite", "postgresql", "valkey"}
    assert any(run.calm for run in runs)


MISTAKES: dict[str, Mistake] = {
    "as_of is taken when the loader has returned": mistakes.marked_after_loading,
    "as_of is above the newest entry": mistakes.marked_with_the_newest,
    "a copy in use is advanced above the newest entry": mistakes.advanced_to_the_newest,
    "a copy in use is advanced unjudged": mistakes.advanced_unjudged,
    "the mark of what is put is ignored": mistakes.mark_of_put_ignored,
    "a follower trusts an older load": mistakes.trusting_follower,
    "an expired value is not judged by the log": mistakes.stale_unjudged,
    "the key's entries are not looked for": mistakes.without_subject("k:"),
    "the namespace's entries are not looked for": mistakes.without_subject("n:"),
    "the tenant's entries are not looked for": mistakes.without_subject("t:"),
    "the tenant's namespace's entries are not looked for": mistakes.without_subject("m:"),
    "the entry for everyone is not heeded": mistakes.everyone_ignored,
    "a shared copy is not judged": mistakes.shared_unjudged,
    "a shared copy is stamped anew by its reader": mistakes.shared_copy_restamped,
    "everybody has the lease": mistakes.leases_for_everybody,
}

CAN_SHOW: dict[str, Callable[[ValueSimulation], bool]] = {
    "as_of is above the newest entry": lambda run: run.kind == "postgresql",
    "a copy in use is advanced above the newest entry": lambda run: run.kind == "postgresql",
    "a shared copy is not judged": lambda run: run.cache is not None,
    "a shared copy is stamped anew by its reader": lambda run: run.cache is not None,
    "everybody has the lease": lambda run: run.calm,
}
"""Which fleets have what a mistake is about; the others need not run."""


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_about_values_shows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With it, a run fails before long."""
    MISTAKES[name](monkeypatch)
    with pytest.raises(Violated, match="value"):
        _run_until_it_shows(CAN_SHOW.get(name, lambda _: True))


def _run_until_it_shows(can_show: Callable[[ValueSimulation], bool]) -> None:
    for seed in range(ENOUGH):
        run = ValueSimulation(seed)
        if can_show(run):
            run.run()

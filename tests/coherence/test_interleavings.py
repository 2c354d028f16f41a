"""Every interleaving of what may happen to a session, on the real rule: see `search.py`.

`COATCHECK_SEARCH=1` adds scenarios of up to a million states, which take minutes.
"""

from __future__ import annotations

import os

import pytest

from tests.coherence.search import Scenario, Search

SCENARIOS = {
    "revoke, restart and trim": Scenario(("revoke",), trims=1, restarts=1),
    "evict for a limit": Scenario(("evict",), ticks=3),
    "revoke all of a user": Scenario(("revoke_user",), trims=1),
    "revoke everyone": Scenario(("revoke_everyone",), trims=1),
    "revoke beside others": Scenario(("revoke",), unrelated=1),
    "revoke with a shared cache": Scenario(("revoke",), shared=True, filling=False, trims=1, restarts=1),
    "save with touches": Scenario(("save",), touching=True),
    "revoke with touches": Scenario(("revoke",), touching=True, restarts=1),
    "save, then revoke": Scenario(("save", "revoke")),
    "save, trimmed": Scenario(("save",), trims=1, restarts=1),
    "rotate, then revoke": Scenario(("rotate", "revoke")),
    "save, then rotate": Scenario(("save", "rotate")),
    "save in a database that is restored": Scenario(("save",), restores=1),
    "revoke in a database that is restored": Scenario(("revoke",), restores=1, trims=1),
}

LARGE = {
    "revoke beside others, trimmed": Scenario(("revoke",), unrelated=1, trims=1, restarts=1, ticks=3),
    "both caches": Scenario(("revoke",), shared=True, trims=1, restarts=1),
    "save, then revoke, with touches": Scenario(("save", "revoke"), touching=True),
    "rotate, then revoke, with touches": Scenario(("rotate", "revoke"), touching=True),
    "rotate in a database that is restored": Scenario(("rotate", "revoke"), restores=1),
}

if os.environ.get("COATCHECK_SEARCH"):
    SCENARIOS |= LARGE


def expected_witnesses(scenario: Scenario) -> set[str]:
    """Return which hits a scenario must show, so that safety is not that of a cache that never hits."""
    wanted = {"hit", "hit within the lease"}
    if scenario.unrelated or {"save", "rotate"} & set(scenario.changes):
        wanted.add("hit with entries known")
    if {"save", "rotate"} & set(scenario.changes):
        wanted.add("hit after a change")
    if scenario.restarts:
        wanted.add("hit after a restart")
    if scenario.restores:
        wanted.add("hit in a new epoch")
    if scenario.trims and (scenario.unrelated or "save" in scenario.changes):
        wanted.add("hit above a risen floor")
    return wanted


@pytest.mark.parametrize("name", SCENARIOS)
def test_I1_I2_I3_nothing_outdated_is_served_and_nothing_valid_refused_for_ever(name: str) -> None:
    """Nothing is served that ended a lease ago, and from every state a poll and a read lead to a hit."""
    search = Search(SCENARIOS[name]).run()
    assert search.witnesses >= expected_witnesses(SCENARIOS[name])
    assert search.states > 1_000

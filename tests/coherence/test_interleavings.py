"""Every interleaving of what may happen to a session, on the real rule: see `search.py`.

`COATCHECK_SEARCH=1` adds scenarios of up to a million states, which take minutes.
"""

from __future__ import annotations

import os

import pytest

from tests.coherence.search_transactions import search_of
from tests.coherence.searched_worker import Scenario

SCENARIOS = {
    "revoke, restart and trim": Scenario(("revoke",), trims=1, restarts=1),
    "evict for a limit": Scenario(("evict",), ticks=3),
    "revoke all of a user": Scenario(("revoke_user",), trims=1),
    "revoke everyone": Scenario(("revoke_everyone",), trims=1),
    "revoke beside others, in threads": Scenario(("revoke",), unrelated=1, threads=True),
    "revoke with a shared cache": Scenario(("revoke",), shared=2, filling=False, trims=1, restarts=1),
    "save with a shared cache": Scenario(("save",), shared=2, filling=False, restarts=1),
    "rotate with a shared cache": Scenario(("rotate",), shared=2, filling=False),
    "restored, with a shared cache": Scenario(("revoke",), shared=2, filling=False, restores=1),
    "save with touches": Scenario(("save",), touching=True, ticks=1),
    "revoke with touches": Scenario(("revoke",), touching=True),
    "revoke with touches, beside others": Scenario(("revoke",), unrelated=1, touching=True, ticks=1),
    "save, then revoke": Scenario(("save", "revoke")),
    "save, trimmed": Scenario(("save",), trims=1, restarts=1, ticks=1),
    "rotate, then revoke": Scenario(("rotate", "revoke"), ticks=1),
    "retire a token, then revoke": Scenario(("renew", "revoke"), ticks=1),
    "retire a token, with a shared cache": Scenario(("renew",), shared=1, filling=False),
    "save in a database that is restored": Scenario(("save",), restores=1, ticks=1),
    "revoke in a database that is restored, in threads": Scenario(
        ("revoke",), restores=1, trims=1, threads=True, ticks=1
    ),
    "save beside others, trimmed, in threads": Scenario(("save",), unrelated=1, trims=1, threads=True, ticks=1),
    "revoke with stale copies": Scenario(("revoke",), stale=1, waits=True),
    "save with stale copies and a shared cache": Scenario(("save",), stale=1, waits=True, shared=1, filling=False),
}

TRANSACTIONS = {
    "save beside a long writer": Scenario(("save",), unrelated=1, ticks=1),
    "revoke beside a busy writer, in threads": Scenario(
        ("revoke",), unrelated=1, busy=True, trims=1, threads=True, ticks=1
    ),
    "revoke all of a user in a crash": Scenario(("revoke_user",), unrelated=1, crashes=1, ticks=1),
    "revoke in a crash, with a shared cache": Scenario(
        ("revoke",), unrelated=1, crashes=1, shared=1, filling=False, ticks=1
    ),
    "save, and a replica is promoted": Scenario(("save",), unrelated=1, restores=1, ticks=1),
    "revoke with a replica that lags": Scenario(("revoke",), unrelated=1, replica=True, filling=False, ticks=1),
    "save with a replica, in a crash": Scenario(("save",), crashes=1, replica=True, filling=False, ticks=1),
    "restart with a shared cache": Scenario(("revoke",), unrelated=1, shared=1, filling=False, restarts=1, ticks=1),
}

LARGE = {
    "revoke beside others, trimmed": Scenario(("revoke",), unrelated=1, trims=1, restarts=1, ticks=3),
    "both caches": Scenario(("revoke",), shared=2, trims=1, restarts=1),
    "save, then revoke, with touches": Scenario(("save", "revoke"), touching=True),
    "rotate, then revoke, with touches": Scenario(("rotate", "revoke"), touching=True),
    "rotate in a database that is restored": Scenario(("rotate", "revoke"), restores=1),
    "save, then rotate": Scenario(("save", "rotate")),
    "retire a token, with a shared cache, then revoke": Scenario(("renew", "revoke"), shared=2, filling=False, ticks=3),
    "stale copies of both caches": Scenario(("save", "revoke"), stale=1, waits=True, shared=2, ticks=3),
}

LARGE_TRANSACTIONS = {
    "revoke with stale copies, beside a long writer": Scenario(("revoke",), unrelated=1, stale=1, waits=True),
    "save, then revoke, beside two writers": Scenario(("save", "revoke"), unrelated=2, trims=1),
    "save, then revoke, beside two busy writers": Scenario(
        ("save", "revoke"), unrelated=2, busy=True, threads=True, ticks=1
    ),
    "save beside a busy writer, in a crash": Scenario(("save",), unrelated=1, busy=True, crashes=1, ticks=1),
    "two crashes, with a shared cache": Scenario(("revoke",), unrelated=1, crashes=2, shared=2, filling=False),
    "a crash and a promotion": Scenario(("save", "revoke"), crashes=1, restores=1, unrelated=1),
    "a replica and all else": Scenario(("save",), unrelated=1, crashes=1, replica=True, trims=1),
}

if os.environ.get("COATCHECK_SEARCH"):
    SCENARIOS |= LARGE
    TRANSACTIONS |= LARGE_TRANSACTIONS


def expected_witnesses(scenario: Scenario, *, transactions: bool) -> set[str]:
    """Return which hits a scenario must show, so that safety is not that of a cache that never hits."""
    changes = bool({"save", "rotate", "renew"} & set(scenario.changes))
    wanted = {
        "hit": scenario.filling or scenario.shared,
        "hit within the lease": scenario.filling or scenario.shared,
        "hit with entries known": changes and scenario.filling,
        "hit after a change": changes and scenario.filling,
        "hit after a restart": scenario.restarts,
        "hit in a new epoch": (scenario.restores or scenario.crashes) and scenario.filling,
        "hit above a risen floor": scenario.trims and "save" in scenario.changes,
        "hit in another thread": scenario.threads,
        "copy stamped anew": scenario.filling and scenario.unrelated and (scenario.busy or not transactions),
        "hit in the shared cache": scenario.shared,
        "hit in the replica": scenario.replica,
        "hit in an outage": scenario.stale,
    }
    return {name for name, needed in wanted.items() if needed}


@pytest.mark.parametrize(
    ("name", "transactions"),
    [*((name, False) for name in SCENARIOS), *((name, True) for name in TRANSACTIONS)],
)
def test_I1_I2_I3_nothing_outdated_is_served_and_nothing_valid_refused_for_ever(
    name: str,
    transactions: bool,
) -> None:
    """Nothing is served that ended a lease ago, and from every state a poll and a read lead to a hit."""
    scenario = (TRANSACTIONS if transactions else SCENARIOS)[name]
    search = search_of(scenario, transactions=transactions).run()
    assert search.witnesses >= expected_witnesses(scenario, transactions=transactions)
    assert search.states > 1_000

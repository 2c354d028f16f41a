"""Every interleaving of what may happen to a cached value, and the mistakes that one of them shows: `value_search.py`.

`COATCHECK_SEARCH=1` adds scenarios of tens of thousands of states, which take minutes.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.coherence import value_mistakes as mistakes
from tests.coherence.value_search import Search, Violation
from tests.coherence.value_world import Scenario, Store

if TYPE_CHECKING:
    from tests.coherence.value_mistakes import Mistake

ONE = (("load", "load"),)
TWO = (("load",), ("load",))
GETTER = (("load",), ("get",))

LOADED = Scenario(ONE)
SQLITE = Scenario(ONE, notices=True, ticks=0)
TRANSACTIONS = Scenario((("load",),), transactions=True, unrelated=1)
USED = replace(TRANSACTIONS, requests=(("load", "get", "get"),), notices=True, ticks=0)
PUT = Scenario((("put", "get"),))
RESTORED = Scenario(ONE, restores=1, polls=1, ticks=0, notices=True)
PUT_RESTORED = Scenario((("put", "get"),), restores=1, polls=1, ticks=0, notices=True)
SHARED = Scenario(TWO, shared=True, ticks=0, notices=True)
SHARED_RESTORED = Scenario(GETTER, shared=True, restores=1, ticks=0, notices=True)
ALONE = Scenario(TWO, shared=True, truthful=True, alone=True, ticks=0)
DEATH = Scenario(TWO, shared=True, truthful=True, deaths=1, changes=(), ticks=0)
STALE = Scenario((("stale", "stale"),), stale=2, ttl=1, failures=1)
STALE_SQLITE = replace(STALE, notices=True, ticks=0, outages=1)
HANGS = Scenario((("stale", "stale"),), stale=5, ttl=1, ticks=3, timeout=1, changes=())
REFRESH = Scenario(ONE, refresh=True, ttl=2, ticks=2, failures=1, changes=())
REFRESH_SQLITE = Scenario((("load", "load", "get"),), refresh=True, ttl=2, notices=True)
SEEN_TWICE = Scenario((("load", "load", "load", "load"),), notices=True, ticks=0)

SCENARIOS = {
    "load and invalidate": LOADED,
    "load and invalidate, in SQLite": SQLITE,
    "load and invalidate, in a transaction that commits late": TRANSACTIONS,
    "used, beside a transaction that commits late": USED,
    "late answers to polls": Scenario(ONE, slow_polls=True),
    "a tenant's namespace": replace(LOADED, changes=("the tenant's namespace",)),
    "a namespace": replace(SQLITE, changes=("the namespace",)),
    "a tenant": replace(SQLITE, changes=("the tenant",)),
    "everyone": replace(SQLITE, changes=("everyone",)),
    "twice": replace(SQLITE, changes=("the key", "the tenant")),
    "beside others, trimmed": Scenario(ONE, trims=1, unrelated=1, notices=True, ticks=0),
    "trimmed": Scenario(ONE, trims=1),
    "put": PUT,
    "put, in a transaction that commits late": replace(PUT, transactions=True),
    "put into a database that is restored": PUT_RESTORED,
    "loaded in a database that is restored": RESTORED,
    "seen twice": SEEN_TWICE,
    "the log cannot be asked": Scenario(ONE, outages=1),
    "the loader fails": Scenario(ONE, failures=1),
    "the loader fails, and an old value will do": STALE,
    "the loader and the log fail, and an old value will do": STALE_SQLITE,
    "the loader hangs, and an old value will do": HANGS,
    "loaded anew": REFRESH,
    "loaded anew and invalidated": REFRESH_SQLITE,
    "shared": SHARED,
    "shared, for who does not load": Scenario(GETTER, shared=True, ticks=0),
    "shared, in a database that is restored": SHARED_RESTORED,
    "alone": ALONE,
    "once in all": Scenario(TWO, shared=True, truthful=True, alone=True, changes=()),
    "who loads dies": DEATH,
    "the lease is lost": replace(DEATH, deaths=0, losses=1),
}

LARGE = {
    "shared, for who does not load, later": Scenario(GETTER, shared=True),
    "load and invalidate twice, beside others": Scenario(
        (("load", "load", "get"),), ("the key", "the tenant"), transactions=True, unrelated=1, ticks=2
    ),
    "late answers, trimmed": Scenario(ONE, slow_polls=True, polls=1, trims=1),
    "put, late": Scenario((("put", "load"),), slow_polls=True, polls=1),
    "put and loaded": Scenario((("put", "load", "get"),), transactions=True),
    "shared by three": Scenario((*TWO, ("load",)), shared=True, ticks=0),
    "shared, in a transaction that commits late": Scenario(TWO, shared=True, transactions=True, unrelated=1),
    "shared, and old values will do": Scenario(
        (("stale", "stale"), ("stale",)), shared=True, stale=2, ttl=1, failures=1
    ),
    "loaded anew by two": Scenario((("load", "load"), ("load",)), refresh=True, ttl=2, shared=True),
    "loaded anew by two, alone": Scenario(
        (("load", "load"), ("load",)), refresh=True, ttl=2, ticks=2, shared=True, truthful=True, alone=True
    ),
    "who loads dies, and it is invalidated": Scenario(TWO, shared=True, deaths=1, losses=1),
    "a restored database, shared": Scenario(TWO, shared=True, restores=1),
}

if os.environ.get("COATCHECK_SEARCH"):
    SCENARIOS |= LARGE


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "coatcheck")


def expected(scenario: Scenario) -> set[str]:
    """Return what a scenario must show, so that safety is not that of a cache that never hits."""
    wanted = {
        "told": True,
        "hit": True,
        "told what is new": scenario.changes,
        "hit in a new epoch": scenario.restores,
        "loader fails": scenario.failures,
        "stale": scenario.stale and scenario.ticks,
        "told what has expired": scenario.stale and scenario.ticks,
        "refreshes": scenario.refresh,
        "told what another has loaded": scenario.shared,
        "waited for somebody else's load": scenario.shared and scenario.requests != GETTER,
    }
    return {name for name, needed in wanted.items() if needed}


@cache
def searched(scenario: Scenario) -> Search:
    """Search a scenario once, or raise what is wrong."""
    return Search(scenario).run()


@pytest.mark.parametrize("name", SCENARIOS)
def test_I1_I2_no_outdated_value_is_served_and_everybody_gets_one(name: str) -> None:
    """Nothing is served that was invalidated before the bound, and every request ends with a value."""
    scenario = SCENARIOS[name]
    search = searched(scenario)
    assert search.seen >= expected(scenario)
    assert search.states > 30


def test_a_value_that_nobody_invalidates_is_loaded_once_in_all() -> None:
    """By one of two workers, whatever they meet."""
    assert "loaded again" not in searched(SCENARIOS["once in all"]).seen


def unchanged_unasked(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks whether the file has changed."""
    patch.setattr(Store, "unchanged", lambda *_: True)


MISTAKES: dict[str, tuple[Mistake, Scenario]] = {
    "as_of is taken when the loader has returned": (mistakes.marked_after_loading, replace(SQLITE, polls=1)),
    "as_of is above the newest entry": (mistakes.marked_with_the_newest, USED),
    "as_of is above the highest transaction number": (lambda _: None, replace(USED, highest=True)),
    "a copy in use is advanced above the newest entry": (mistakes.advanced_to_the_newest, USED),
    "a copy in use is advanced unjudged": (mistakes.advanced_unjudged, SQLITE),
    "the mark of what is put is ignored": (mistakes.mark_of_put_ignored, PUT),
    "what is loaded anew is marked when it lands": (mistakes.refresh_marked_on_landing, REFRESH_SQLITE),
    "an old value lives longer when it is to be loaded anew": (
        mistakes.refresh_renews_the_old_value,
        replace(REFRESH, failures=0, polls=1),
    ),
    "a load of another epoch is kept": (mistakes.epoch_unchecked, RESTORED),
    "what is put from another epoch is kept": (mistakes.put_of_any_epoch, PUT_RESTORED),
    "a shared copy of another epoch is admitted": (mistakes.shared_of_any_epoch, SHARED_RESTORED),
    "a follower trusts an older load": (mistakes.trusting_follower, SQLITE),
    "an expired value is not judged by the log": (mistakes.stale_unjudged, STALE_SQLITE),
    "an expired value is judged by an old proof": (mistakes.stale_by_an_old_proof, STALE_SQLITE),
    "an expired value is served for ever": (mistakes.stale_for_ever, replace(STALE, stale=1, ticks=2, changes=())),
    "the key's entries are not looked for": (mistakes.without_subject("k:"), SQLITE),
    "the namespace's entries are not looked for": (mistakes.without_subject("n:"), SCENARIOS["a namespace"]),
    "the tenant's entries are not looked for": (mistakes.without_subject("t:"), SCENARIOS["a tenant"]),
    "the tenant's namespace's entries are not looked for": (
        mistakes.without_subject("m:"),
        SCENARIOS["a tenant's namespace"],
    ),
    "the entry for everyone is not heeded": (mistakes.everyone_ignored, SCENARIOS["everyone"]),
    "what was made of an old copy is returned": (mistakes.views_trusted, SEEN_TWICE),
    "a shared copy is not judged": (mistakes.shared_unjudged, SHARED),
    "a shared copy is stamped anew by its reader": (mistakes.shared_copy_restamped, SHARED),
    "nobody looks whether the file has changed": (unchanged_unasked, SQLITE),
    "everybody has the lease": (mistakes.leases_for_everybody, ALONE),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_I1_a_mistake_about_values_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With it, some way leads to what must not be; without it, the same scenario has none."""
    mistake, scenario = MISTAKES[name]
    searched(replace(scenario, highest=False))
    mistake(monkeypatch)
    with pytest.raises(Violation, match=r"outdated|expired|two load"):
        Search(scenario, lively=False).deeply()


HANGS_UP: dict[str, tuple[Mistake, Scenario]] = {
    "a lease outlives its holder": (mistakes.leases_for_ever, DEATH),
    "who waits for a load that fails is not told": (mistakes.abandoned_followers, SCENARIOS["the loader fails"]),
}


@pytest.mark.parametrize("name", HANGS_UP)
def test_I2_a_mistake_for_which_somebody_waits_for_ever_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With it, some way leads to where nothing helps; without it, the same scenario has none."""
    mistake, scenario = HANGS_UP[name]
    searched(scenario)
    mistake(monkeypatch)
    with pytest.raises(Violation, match="for ever"):
        Search(scenario).deeply()


@pytest.mark.parametrize("scenario", [SQLITE, STALE_SQLITE, PUT, ALONE], ids=["load", "stale", "put", "shared"])
def test_two_states_that_look_the_same_are(scenario: Scenario) -> None:
    """Or the order in which they are visited would make a difference to what can be reached."""
    found = Search(scenario, lively=False)
    found.broadly()
    assert found.states == searched(scenario).states


def test_who_could_not_prove_anything_after_a_hanging_loader_would_not_get_the_old_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A loader may hang for longer than a proof is good: it takes another one."""
    mistakes.stale_by_an_old_proof(monkeypatch)
    assert "stale" not in Search(HANGS).run().seen

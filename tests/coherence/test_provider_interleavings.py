"""Every interleaving of a provider's answers with what ends its sessions, and the mistakes that one of them shows.

See `provider_search.py`. `COATCHECK_SEARCH=1` adds scenarios of tens of thousands of states, which take minutes.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from tests.coherence import provider_mistakes as mistakes
from tests.coherence.provider_search import ProviderSearch
from tests.coherence.provider_world import Scenario
from tests.coherence.value_search import Violation

if TYPE_CHECKING:
    from tests.coherence.provider_mistakes import Mistake

SIGN_OUT = (("get", "get"), ("sign out",))
ONE_WORKER = (("get", "sign out", "get"),)
TOLD = (("get", "get"), ("told",))
TWO = (("get", "get"), ("get",))
AT_ONCE: dict[str, Any] = {"notices": True, "ticks": 0}

THROUGH_US = Scenario(SIGN_OUT, **AT_ONCE)
THROUGH_US_LATER = Scenario((("get",), ("sign out",)), transactions=True)
HERE = Scenario(ONE_WORKER, **AT_ONCE)
FAILS = Scenario((("get", "get"), ("sign out",)), failures=1, **AT_ONCE)
GIVEN_UP = Scenario((("get", "get"), ("sign out",)), losses=1, **AT_ONCE)
TRIGGER = Scenario((("get", "get"),), trigger=True, **AT_ONCE)
TRIGGER_LATER = Scenario((("get", "get"),), trigger=True, transactions=True, unrelated=1)
BACK_CHANNEL = Scenario(TOLD, told=True, **AT_ONCE)
BACK_CHANNEL_LATER = Scenario((("get", "get"), ("told",)), told=True, ticks=1)
OF_THE_USER = Scenario((("get", "get"), ("told of the user",)), told=True, notices=True, ticks=1)
SILENT = Scenario((("get", "get"),), silent=True, ttl=1, ticks=2)
SILENT_SHARED = Scenario(
    (("get",), ("get", "get")), silent=True, ttl=2, ticks=2, shared=True, truthful=True, notices=True
)
STALE = Scenario((("get", "get", "get"),), silent=True, ttl=1, stale=2, failures=1, ticks=2, notices=True)
STALE_ENDS = Scenario((("get", "get"),), silent=True, ttl=1, stale=1, failures=1, ticks=2, notices=True)
STALE_TRIGGER = Scenario((("get", "get"),), trigger=True, ttl=1, stale=2, failures=1, ticks=1, notices=True)
SHARED = Scenario((("get",), ("get", "sign out")), shared=True, **AT_ONCE)
SHARED_TRIGGER = Scenario((("get",), ("get",)), trigger=True, shared=True, **AT_ONCE)
SHARED_TOLD = Scenario((("get",), ("get", "told")), shared=True, told=True, **AT_ONCE)
USER_CHANGES = Scenario((("get", "get"), ("invalidate user",)), changes_of_user=1, **AT_ONCE)
RESTORED = Scenario((("get", "get"),), trigger=True, restores=1, **AT_ONCE)
REFUSED_FIRST = Scenario((("get", "get"), ("invalidate",)), refused=True, refused_for=100, **AT_ONCE)
NO_LOG = Scenario((("get", "get"), ("sign out",)), outages=1, **AT_ONCE)
OUTAGE = Scenario((("get", "get"),), failures=1, **AT_ONCE)
MANY = Scenario((("get", "get", "get"),), trigger=True, **AT_ONCE)

SCENARIOS = {
    "signed out through us": THROUGH_US,
    "signed out through us, in a transaction that commits late": THROUGH_US_LATER,
    "signed out in the same worker": HERE,
    "a sign-out fails, before or after it has ended": FAILS,
    "a sign-out is given up": GIVEN_UP,
    "a trigger says so": TRIGGER,
    "a trigger says so, in a transaction that commits late": TRIGGER_LATER,
    "told before it ends": BACK_CHANNEL,
    "told before it ends, a lease later": BACK_CHANNEL_LATER,
    "told of the session before it ends": replace(BACK_CHANNEL, requests=(("get",), ("told of the session",))),
    "told of the user before they end": OF_THE_USER,
    "told before it ends, by who dies": replace(BACK_CHANNEL, deaths=1),
    "ends silently": SILENT,
    "ends silently, and old answers will do": STALE,
    "ends silently, and old answers will do for a tick": STALE_ENDS,
    "ends by a trigger, and old answers will do": STALE_TRIGGER,
    "signed out, shared": SHARED,
    "ended by a trigger, shared": SHARED_TRIGGER,
    "told, shared": SHARED_TOLD,
    "the user changes": USER_CHANGES,
    "the log is restored": RESTORED,
    "the log is restored after it was told": replace(BACK_CHANNEL, requests=(("get",), ("told",)), restores=1),
    "the log is trimmed": Scenario((("get", "get"),), trigger=True, trims=1, **AT_ONCE),
    "the log is trimmed after it was told": replace(BACK_CHANNEL, trims=1),
    "refused first, and asked again when somebody says so": REFUSED_FIRST,
    "the log cannot be asked or written": NO_LOG,
    "the provider fails": OUTAGE,
    "late answers to polls": Scenario((("get",),), trigger=True, slow_polls=True),
    "three at once": MANY,
    "nothing is kept": Scenario((("get", "get"),), trigger=True, ttl=0, **AT_ONCE),
}

LARGE = {
    "ends silently, shared": SILENT_SHARED,
    "ends silently, shared by who mixes up": Scenario(TWO, silent=True, ttl=1, ticks=2, shared=True, notices=True),
    "signed out, shared, in a transaction that commits late": replace(
        SHARED, transactions=True, notices=False, ticks=1
    ),
    "told, shared, a lease later": replace(SHARED_TOLD, notices=False, ticks=1),
    "signed out through us by two": Scenario((("get", "sign out"), ("get", "sign out")), **AT_ONCE),
    "signed out while everything fails": Scenario(SIGN_OUT, failures=1, outages=1, losses=1, deaths=1, **AT_ONCE),
    "told and restored, shared": replace(SHARED_TOLD, restores=1),
    "two ways to end": Scenario((("get", "get"), ("sign out",), ("told",)), trigger=True, told=True, **AT_ONCE),
    "late answers to polls, told": Scenario((("get",), ("told",)), told=True, slow_polls=True, polls=1),
}

if os.environ.get("COATCHECK_SEARCH"):
    SCENARIOS |= LARGE


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "coatcheck")


def expected(scenario: Scenario) -> set[str]:
    """Return what a scenario must show, so that safety is not that of a cache that never hits."""
    ends = scenario.trigger or scenario.silent or any("sign out" in one or "told" in one for one in scenario.requests)
    wanted = {
        "accepted": True,
        "hit": scenario.ttl,
        "refused": ends or scenario.refused,
        "accepted within the bound": ends and not scenario.refused,
        "hit in a new epoch": scenario.restores,
        "provider fails": scenario.failures,
        "told what is new": scenario.changes_of_user,
    }
    return {name for name, needed in wanted.items() if needed}


@cache
def searched(scenario: Scenario) -> ProviderSearch:
    """Search a scenario, once for all tests in a process."""
    return ProviderSearch(scenario).run()


@pytest.mark.parametrize("name", SCENARIOS)
def test_I1_I2_I3_I5_nothing_brings_a_providers_session_back_in_any_interleaving(name: str) -> None:
    """Nobody is accepted after the bound, and nobody is refused whose session has not ended."""
    found = searched(SCENARIOS[name])
    assert expected(SCENARIOS[name]) <= found.seen


MISTAKES: dict[str, tuple[Mistake, Scenario]] = {
    "an answer is stamped when it lands": (mistakes.stamped_on_landing, MANY),
    "an answer is stamped with the newest entry": (mistakes.stamped_with_the_newest, TRIGGER_LATER),
    "the time to live counts from the landing": (mistakes.counted_from_landing, SILENT),
    "workers are told to ask again before the session ends": (mistakes.said_before_it_ends, THROUGH_US),
    "a session counts as ended before it does": (mistakes.ended_before_it_ends, replace(FAILS, losses=0)),
    "a sign-out tells nobody": (mistakes.nothing_said, THROUGH_US),
    "a sign-out that failed tells nobody": (mistakes.failures_unsaid, FAILS),
    "a sign-out that was given up tells nobody": (mistakes.failures_unsaid, GIVEN_UP),
    "what has ended is asked for again": (mistakes.endings_forgotten, BACK_CHANNEL),
    "what has ended is refused and kept": (mistakes.refused_and_kept, BACK_CHANNEL),
    "a copy has no tags": (mistakes.tags_missing, BACK_CHANNEL),
    "entries about the session are not looked for": (mistakes.without_subject("s:"), TRIGGER),
    "entries about the user are not looked for": (mistakes.without_subject("u:"), USER_CHANGES),
    "entries about the end are not looked for": (mistakes.without_subject("e:"), THROUGH_US),
    "what is said of a doubted user is kept": (mistakes.doubts_ignored, OF_THE_USER),
    "a shared copy is not judged": (mistakes.shared_unjudged, SHARED_TRIGGER),
    "an answer of another epoch is kept": (mistakes.epoch_unchecked, RESTORED),
    "a follower trusts an older question": (mistakes.trusting_follower, TRIGGER),
    "everybody who misses asks": (mistakes.single_flight_missing, TRIGGER),
    "an old answer is not judged by the log": (mistakes.stale_unjudged, STALE_TRIGGER),
    "an old answer is served for ever": (mistakes.stale_for_ever, STALE_ENDS),
    "what was refused is served when the provider fails": (mistakes.stale_after_refusal, STALE),
    "what was refused just now is refused whatever is said": (mistakes.refusals_unjudged, REFUSED_FIRST),
    "what was refused is refused for ever": (mistakes.refusals_for_ever, REFUSED_FIRST),
    "an outage counts as no session": (mistakes.outage_is_no_session, OUTAGE),
}


if os.environ.get("COATCHECK_SEARCH"):
    MISTAKES["the life of a shared copy counts anew"] = (mistakes.shared_life_counted_anew, SILENT_SHARED)


@pytest.mark.parametrize("name", MISTAKES)
def test_I1_I3_a_mistake_about_a_providers_sessions_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With it, some way leads to what must not be; without it, the same scenario has none."""
    mistake, scenario = MISTAKES[name]
    if scenario in SCENARIOS.values():
        searched(scenario)
    mistake(monkeypatch)
    with pytest.raises(Violation):
        ProviderSearch(scenario, lively=False).deeply()


@pytest.mark.parametrize(
    "scenario", [THROUGH_US, TRIGGER, BACK_CHANNEL, SHARED], ids=["us", "trigger", "told", "shared"]
)
def test_two_states_that_look_the_same_are(scenario: Scenario) -> None:
    """Or the order in which they are visited would make a difference to what can be reached."""
    found = ProviderSearch(scenario, lively=False)
    found.broadly()
    assert found.states == searched(scenario).states

"""A provider's answers, in memory and out of it: three of them, each for as long as it may be kept (N3, A3)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from coatcheck import ConfigurationError, NotSignedIn, ProviderSettings, Session, Unavailable
from coatcheck.core.endings import login_tag
from coatcheck.core.identities import ProviderAnswer
from coatcheck.core.transport import AMBIGUOUS
from coatcheck.testing import AsyncFaultyStore, AsyncMemoryCache, FaultyStore, MemoryCache
from tests.providers.sessions.bench import AWAY, REFUSED

if TYPE_CHECKING:
    from typing import Any

    from tests.providers.sessions.bench import Bench

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
KEYS = [b"a key of the workers, 32 or more ..."]


def faulty(bench: Bench) -> Any:
    return (AsyncFaultyStore if bench.kind == "asyncio" else FaultyStore)(bench.store)


def shared(bench: Bench) -> Any:
    return (AsyncMemoryCache if bench.kind == "asyncio" else MemoryCache)(clock=bench.clock)


def test_N3_a_session_no_session_and_an_outage_are_three_answers(bench: Bench) -> None:
    """The outage raises, with the provider's own wish when to be asked again."""
    worker = bench.worker()
    bench.signed_in(b"good")
    bench.provider.answers[b"away"] = AWAY
    good = worker.get(b"good")
    assert isinstance(good, Session)
    assert (good.user_id, good.user and good.user.email) == ("ada", "ada@example.com")
    assert worker.get(b"bad") is NotSignedIn.UNKNOWN
    with pytest.raises(Unavailable) as caught:
        worker.get(b"away")
    assert caught.value.retry_after == 7


def test_A2_what_cannot_be_a_token_asks_nobody(bench: Bench) -> None:
    worker = bench.worker()
    assert worker.get(b"") is NotSignedIn.NO_TOKEN
    assert worker.do("get", None) is NotSignedIn.NO_TOKEN
    for nonsense in (b"malformed", AMBIGUOUS, b"x" * 10_000):
        assert worker.get(nonsense) is NotSignedIn.MALFORMED
    assert bench.provider.asked == []


def test_A3_a_hit_asks_nobody(bench: Bench) -> None:
    worker = bench.worker()
    bench.signed_in()
    first = worker.get(b"token")
    assert [worker.get(b"token") for _ in range(10)] == [first] * 10
    assert worker.sessions.lookup(b"token") == first
    assert bench.provider.asked == [b"token"]


@pytest.mark.parametrize(
    ("answer", "setting", "kept"), [(None, 60, 60), (10, 60, 10), (600, 60, 60), (None, None, 300)]
)
def test_N1_an_answer_is_kept_as_long_as_all_admit_it(
    bench: Bench, answer: int | None, setting: int | None, kept: int
) -> None:
    """The provider's own word for this answer, the application's, and the provider's in general: the shortest."""
    worker = bench.worker(revalidate_after=None if setting is None else setting * SECOND)
    bench.signed_in(valid_for=None if answer is None else answer * SECOND)
    worker.get(b"token")
    bench.clock.advance((kept - 1) * SECOND)
    assert worker.get(b"token")
    assert len(bench.provider.asked) == 1
    bench.clock.advance(SECOND)
    bench.provider.answers[b"token"] = REFUSED
    assert worker.get(b"token") is NotSignedIn.UNKNOWN


def test_E1_an_answer_is_never_kept_past_the_end_of_its_session(bench: Bench) -> None:
    worker = bench.worker(revalidate_after=10 * MINUTE)
    bench.provider.answers[b"token"] = ProviderAnswer(bench.record(lasts=MINUTE))
    assert worker.get(b"token")
    bench.clock.advance(MINUTE - SECOND)
    assert worker.get(b"token")
    bench.clock.advance(SECOND)
    assert worker.get(b"token") is NotSignedIn.EXPIRED


def test_where_nothing_is_kept_the_provider_is_asked_each_time(bench: Bench) -> None:
    worker = bench.worker(revalidate_after=timedelta(0))
    bench.signed_in()
    assert worker.get(b"token") == worker.get(b"token")
    assert worker.get(b"none") is worker.get(b"none") is NotSignedIn.UNKNOWN
    assert len(bench.provider.asked) == 4


def test_a_refusal_is_remembered_for_a_moment(bench: Bench) -> None:
    worker = bench.worker(refused_for=5 * SECOND)
    assert worker.get(b"token") is NotSignedIn.UNKNOWN
    bench.signed_in()
    bench.clock.advance(4 * SECOND)
    assert worker.get(b"token") is NotSignedIn.UNKNOWN
    assert len(bench.provider.asked) == 1
    bench.clock.advance(SECOND)
    assert worker.get(b"token")


def test_a_refusal_that_may_not_be_remembered_is_not(bench: Bench) -> None:
    """As of a session that waits for a second factor: it may be let in at any moment."""
    worker = bench.worker(refused_for=5 * SECOND)
    bench.provider.answers[b"token"] = REFUSED._replace(valid_for=timedelta(0))
    assert worker.get(b"token") is NotSignedIn.UNKNOWN
    bench.signed_in()
    assert worker.get(b"token")


def test_a_refusal_is_forgotten_when_somebody_says_so(bench: Bench) -> None:
    """In every worker that hears of it."""
    worker, other = bench.worker(refused_for=MINUTE), bench.worker()
    assert worker.get(b"token") is NotSignedIn.UNKNOWN
    bench.signed_in()
    other.do("invalidate", b"token")
    bench.clock.advance(2 * SECOND)
    assert worker.get(b"token")


def test_made_up_tokens_push_no_session_out(bench: Bench) -> None:
    worker = bench.worker(max_entries=4)
    bench.signed_in()
    worker.get(b"token")
    for number in range(100):
        worker.get(b"made up %d" % number)
    worker.get(b"token")
    assert bench.provider.asked.count(b"token") == 1


def test_I4_an_outage_is_never_remembered(bench: Bench) -> None:
    worker = bench.worker()
    bench.provider.answers[b"token"] = AWAY
    for _ in range(2):
        with pytest.raises(Unavailable):
            worker.get(b"token")
    bench.signed_in()
    assert worker.get(b"token")


def test_what_is_known_is_served_while_the_provider_is_away_for_as_long_as_is_wanted(bench: Bench) -> None:
    worker = bench.worker(revalidate_after=MINUTE, serve_stale_for=MINUTE)
    bench.signed_in()
    session = worker.get(b"token")
    bench.provider.answers[b"token"] = AWAY
    bench.clock.advance(2 * MINUTE - SECOND)
    assert worker.get(b"token") == session
    bench.clock.advance(SECOND)
    with pytest.raises(Unavailable):
        worker.get(b"token")


def test_what_is_known_is_served_though_the_provider_takes_longer_than_a_lease_to_fail(bench: Bench) -> None:
    worker = bench.worker(revalidate_after=MINUTE, serve_stale_for=MINUTE)
    bench.signed_in()
    session = worker.get(b"token")
    bench.clock.advance(MINUTE)
    bench.provider.answers[b"token"] = AWAY
    bench.provider.on_ask = lambda: bench.clock.advance(3 * SECOND)
    assert worker.get(b"token") == session


def test_I3_what_the_provider_has_refused_is_not_served_when_it_is_away(bench: Bench) -> None:
    worker = bench.worker(revalidate_after=MINUTE, serve_stale_for=MINUTE, refused_for=timedelta(0))
    bench.signed_in()
    worker.get(b"token")
    bench.clock.advance(MINUTE)
    bench.provider.answers[b"token"] = REFUSED
    assert worker.get(b"token") is NotSignedIn.UNKNOWN
    bench.provider.answers[b"token"] = AWAY
    with pytest.raises(Unavailable):
        worker.get(b"token")


def test_what_has_ended_is_not_served_while_the_provider_is_away(bench: Bench) -> None:
    worker = bench.worker(revalidate_after=MINUTE, serve_stale_for=MINUTE)
    bench.signed_in()
    worker.get(b"token")
    worker.do("session_ended", "s1")
    bench.provider.answers[b"token"] = AWAY
    with pytest.raises(Unavailable):
        worker.get(b"token")


# --- the log is away


def test_E4_without_the_log_requests_go_to_the_provider_and_nothing_is_kept(bench: Bench) -> None:
    store = faulty(bench)
    worker = bench.worker(store)
    bench.signed_in()
    store.fail("poll", "invalidate")
    for _ in range(3):
        assert worker.get(b"token")
        assert worker.get(b"none") is NotSignedIn.UNKNOWN
        bench.clock.advance(MINUTE)
    assert bench.provider.asked.count(b"token") == 3
    assert worker.sessions.lookup(b"token") is None
    store.heal()
    assert worker.get(b"token")
    assert worker.sessions.lookup(b"token")


def test_E4_a_copy_outlives_its_lease_by_nothing_when_the_log_is_away(bench: Bench) -> None:
    store = faulty(bench)
    worker = bench.worker(store)
    bench.signed_in()
    worker.get(b"token")
    store.fail("poll")
    bench.provider.answers[b"token"] = REFUSED
    assert worker.get(b"token")
    bench.clock.advance(2 * SECOND)
    assert worker.get(b"token") is NotSignedIn.UNKNOWN


def test_I4_with_neither_the_log_nor_the_provider_it_is_an_outage(bench: Bench) -> None:
    store = faulty(bench)
    worker = bench.worker(store, serve_stale_for=MINUTE)
    bench.signed_in()
    worker.get(b"token")
    bench.clock.advance(6 * MINUTE)
    store.fail("poll")
    bench.provider.answers[b"token"] = AWAY
    with pytest.raises(Unavailable):
        worker.get(b"token")


def test_what_is_known_to_have_ended_is_refused_without_the_log_too(bench: Bench) -> None:
    store = faulty(bench)
    worker = bench.worker(store)
    bench.signed_in()
    worker.do("session_ended", "s1")
    assert worker.get(b"token") is NotSignedIn.UNKNOWN
    store.fail("poll")
    bench.clock.advance(MINUTE)
    assert worker.get(b"token") is NotSignedIn.UNKNOWN


def test_health_tells_the_store_from_the_provider(bench: Bench) -> None:
    """Without its log a worker can still serve, and is ready; without both it is down."""
    store = faulty(bench)
    worker = bench.worker(store)
    assert worker.do("health").status == "ok"
    bench.provider.available = False
    health = worker.do("health")
    assert (health.status, health.ready) == ("degraded", True)
    assert (health.part("provider").status, health.part("authority").status) == ("degraded", "ok")
    store.fail("poll")
    bench.clock.advance(MINUTE)
    assert (worker.do("health").status, worker.do("health").ready) == ("down", False)
    bench.provider.available = True
    assert (worker.do("health").status, worker.do("health").ready) == ("degraded", True)


# --- the shared cache


def test_A1_another_worker_finds_what_one_was_told(bench: Bench) -> None:
    cache = shared(bench)
    one, two = (bench.worker(shared_cache=cache, keys=KEYS) for _ in range(2))
    bench.signed_in(tags=(login_tag("op", "sid"),))
    first = one.get(b"token")
    assert two.get(b"token") == first
    assert bench.provider.asked == [b"token"]
    bench.clock.advance(5 * MINUTE)
    two.get(b"token")
    assert len(bench.provider.asked) == 2


def test_A4_a_shared_copy_that_outlives_a_sign_out_is_rejected_everywhere(bench: Bench) -> None:
    cache = shared(bench)
    one, two, three = (bench.worker(shared_cache=cache, keys=KEYS) for _ in range(3))
    bench.signed_in()
    assert one.get(b"token")
    assert two.get(b"token")
    one.do("sign_out", b"token")
    bench.signed_in()  # a provider that has not noticed
    bench.clock.advance(2 * SECOND)
    assert [worker.get(b"token") for worker in (one, two, three)] == [NotSignedIn.UNKNOWN] * 3


def test_S5_providers_whose_conditions_differ_share_a_log_and_a_cache_and_no_copies(bench: Bench) -> None:
    cache = shared(bench)
    other = bench.a_provider()
    other.conditions = "another audience"
    one = bench.worker(shared_cache=cache, keys=KEYS)
    two = bench.worker(shared_cache=cache, keys=KEYS, provider=other)
    bench.signed_in()
    assert one.get(b"token")
    assert two.get(b"token") is NotSignedIn.UNKNOWN
    one.do("sign_out", b"token")
    other.answers[b"token"] = ProviderAnswer(bench.record())
    bench.clock.advance(MINUTE)
    assert two.get(b"token") is NotSignedIn.UNKNOWN  # a session that has ended has ended for all


# --- the rest


def test_sessions_of_one_record_are_equal_whatever_token_they_were_found_by(bench: Bench) -> None:
    worker = bench.worker()
    bench.signed_in(b"cookie")
    bench.provider.answers[b"Bearer cookie"] = bench.provider.answers[b"cookie"]
    one, two = worker.get(b"cookie"), worker.get(b"Bearer cookie")
    assert one == two
    assert len({one, two}) == 1


def test_set_cookie_goes_to_who_has_asked(bench: Bench) -> None:
    """And to nobody who finds the copy afterwards."""
    worker = bench.worker()
    bench.signed_in(set_cookies=(b"sid=1; Max-Age=60",))
    assert worker.do("ask", b"token").set_cookies == (b"sid=1; Max-Age=60",)
    assert worker.do("ask", b"token").set_cookies == ()


def test_a_process_that_was_forked_starts_anew(bench: Bench) -> None:
    worker = bench.worker()
    bench.signed_in()
    worker.get(b"token")
    before = bench.provider.forks
    worker.sessions.tiers.forked()
    worker.sessions.forked()
    assert bench.provider.forks == before + 1
    assert worker.sessions.lookup(b"token") is None
    assert worker.get(b"token")


@pytest.mark.parametrize(
    "wrong",
    [
        {"revalidate_after": timedelta(hours=2)},
        {"revalidate_after": -SECOND},
        {"refused_for": timedelta(minutes=2)},
        {"serve_stale_for": -SECOND},
        {"max_entries": -1},
        {"lease": timedelta(0)},
    ],
)
def test_a_setting_that_is_wrong_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        ProviderSettings(**wrong)


def test_a_store_without_a_log_is_refused(bench: Bench) -> None:
    """What has ended stands in the log, and nowhere else."""
    bench.store.capabilities = bench.store.capabilities._replace(eventual=True)
    with pytest.raises(ConfigurationError, match=r"store='(Async)?MemoryStore'.*use D1"):
        bench.worker()

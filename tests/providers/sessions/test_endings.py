"""What ends a provider's session, and that nobody accepts it afterwards: through us, told, or asked again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import NotSignedIn, Unavailable
from coatcheck.core.endings import login_tag
from coatcheck.core.identities import ProviderAnswer
from coatcheck.testing import AsyncFaultyStore, FaultyStore
from tests.providers.sessions.bench import AWAY, REFUSED

if TYPE_CHECKING:
    from coatcheck.core.events import Event
    from tests.providers.sessions.bench import Bench

SECOND = timedelta(seconds=1)
LEASE = 2 * SECOND
LOGIN = ("https://op.example", "sid-1")


def faulty(bench: Bench) -> Any:
    return (AsyncFaultyStore if bench.kind == "asyncio" else FaultyStore)(bench.store)


def test_E3_a_sign_out_ends_it_at_the_provider_and_then_in_every_worker(bench: Bench) -> None:
    """In this order: the log says nothing before the provider has ended it."""
    store = faulty(bench)
    one, two = bench.worker(store), bench.worker(store)
    bench.signed_in()
    assert one.get(b"token")
    assert two.get(b"token")
    written: list[int] = []
    bench.provider.on_sign_out = lambda: written.append(store.count("invalidate"))
    bench.provider.set_cookies = (b"sid=; Max-Age=0",)
    assert one.do("sign_out", b"token") == (b"sid=; Max-Age=0",)
    assert written == [0]
    assert bench.provider.signed_out == [b"token"]
    assert one.get(b"token") is NotSignedIn.UNKNOWN
    bench.clock.advance(LEASE)
    assert two.get(b"token") is NotSignedIn.UNKNOWN


def test_I1_a_signed_out_session_is_refused_though_the_provider_still_accepts_it(bench: Bench) -> None:
    """Under this token, and under every other of the same session."""
    one, two = bench.worker(), bench.worker()
    bench.signed_in(b"cookie")
    bench.signed_in(b"Bearer token")
    one.do("sign_out", b"cookie")
    bench.signed_in(b"cookie")
    bench.clock.advance(LEASE)
    asked = len(bench.provider.asked)
    assert two.get(b"cookie") is NotSignedIn.UNKNOWN
    assert len(bench.provider.asked) == asked, "the token is known to have ended"
    assert two.get(b"Bearer token") is NotSignedIn.UNKNOWN


def test_I3_an_answer_that_lands_after_the_sign_out_is_worth_nothing(bench: Bench) -> None:
    one, two = bench.worker(), bench.worker()
    bench.signed_in()
    meanwhile = iter([lambda: one.sessions.sign_out(b"token")])

    def sign_out_meanwhile() -> Any:
        # Not during the question that the sign-out itself asks.
        return next(meanwhile, lambda: None)()

    bench.provider.on_ask = sign_out_meanwhile
    two.get(b"token")
    bench.clock.advance(LEASE)
    assert two.get(b"token") is NotSignedIn.UNKNOWN


@pytest.mark.parametrize("how", ["unanswered", "asked"])
def test_a_sign_out_that_fails_makes_every_worker_ask_again(bench: Bench, how: str) -> None:
    """Nobody knows whether the provider has ended it."""
    one, two = bench.worker(), bench.worker()
    bench.signed_in()
    if how == "unanswered":
        one.get(b"token")
    two.get(b"token")

    def lose() -> None:
        raise Unavailable("no answer came")

    bench.provider.on_sign_out = lose
    if how == "asked":
        bench.provider.answers[b"token"] = AWAY
    with pytest.raises(Unavailable):
        one.do("sign_out", b"token")
    bench.clock.advance(LEASE)
    bench.provider.answers[b"token"] = REFUSED
    assert two.get(b"token") is NotSignedIn.UNKNOWN


def test_a_sign_out_that_the_store_was_not_told_of_is_finished_by_the_next_one(bench: Bench) -> None:
    store = faulty(bench)
    one, two = bench.worker(store), bench.worker(store)
    bench.signed_in()
    one.get(b"token")
    two.get(b"token")
    store.fail("invalidate")
    with pytest.raises(Unavailable):
        one.do("sign_out", b"token")
    assert one.get(b"token") is NotSignedIn.UNKNOWN, "here it is known"
    store.heal()
    one.do("sign_out", b"token")
    bench.clock.advance(LEASE)
    assert two.get(b"token") is NotSignedIn.UNKNOWN


def test_what_cannot_be_a_token_is_signed_out_by_asking_nobody(bench: Bench) -> None:
    worker = bench.worker()
    assert worker.do("sign_out", b"malformed") == ()
    assert worker.do("sign_out", b"") == ()
    assert (bench.provider.asked, bench.provider.signed_out) == ([], [])


def test_E3_after_a_change_of_the_password_all_sessions_of_the_user_are_asked_for_again(bench: Bench) -> None:
    one, two = bench.worker(), bench.worker()
    for number in range(3):
        bench.signed_in(b"token %d" % number, f"s{number}")
        two.get(b"token %d" % number)
    bench.provider.answers[b"bobs"] = ProviderAnswer(bench.record("s9", "bob"))
    two.get(b"bobs")
    bench.provider.answers[b"token 0"] = bench.provider.answers[b"token 1"] = REFUSED
    one.do("invalidate_user", "ada")
    bench.clock.advance(LEASE)
    bench.provider.asked.clear()
    assert [bool(two.get(b"token %d" % number)) for number in range(3)] == [False, False, True]
    assert two.get(b"bobs")
    assert b"bobs" not in bench.provider.asked
    two.get(b"token 2")
    assert bench.provider.asked.count(b"token 2") == 1, "and then it is kept"


def test_everyone_can_be_asked_for_again(bench: Bench) -> None:
    one, two = bench.worker(), bench.worker()
    bench.signed_in()
    two.get(b"token")
    bench.provider.answers[b"token"] = REFUSED
    one.do("invalidate_everyone")
    bench.clock.advance(LEASE)
    assert two.get(b"token") is NotSignedIn.UNKNOWN


# --- told by others


def test_L11_a_message_counts_once(bench: Bench) -> None:
    events: list[Event] = []
    one, two = bench.worker(on_event=events.append), bench.worker()
    assert one.do("told", ("op", "jti-1"), sessions=["s1"]) is True
    assert one.do("told", ("op", "jti-1"), sessions=["s1"]) is False
    bench.clock.advance(LEASE)
    assert two.do("told", ("op", "jti-1"), sessions=["s1"]) is False, "whichever worker hears it again"
    assert two.do("told", ("another op", "jti-1"), sessions=["s1"]) is True
    assert [(event.kind, event.session_id, event.detail) for event in events] == [("revoked", "s1", "told")]


def test_a_message_that_could_not_be_noted_may_be_sent_again(bench: Bench) -> None:
    store = faulty(bench)
    worker = bench.worker(store)
    for name in ("poll", "invalidate"):
        store.fail(name)
        bench.clock.advance(LEASE)
        with pytest.raises(Unavailable):
            worker.do("told", ("op", "1"), sessions=["s1"])
        store.heal()
    assert worker.do("told", ("op", "1"), sessions=["s1"]) is True


@pytest.mark.parametrize("what", [{"logins": [LOGIN]}, {"sessions": ["s1"]}])
def test_I1_who_is_told_before_the_provider_acts_does_not_believe_what_it_says_meanwhile(
    bench: Bench, what: dict[str, Any]
) -> None:
    one, two = bench.worker(), bench.worker()
    bench.signed_in(tags=(login_tag(*LOGIN),))
    two.get(b"token")
    one.do("told", ("op", "1"), **what)
    bench.clock.advance(LEASE)
    for _ in range(3):
        assert two.get(b"token") is NotSignedIn.UNKNOWN
        bench.clock.advance(6 * SECOND)
    bench.signed_in(b"after", "s2", tags=(login_tag(LOGIN[0], "sid-2"),))
    assert two.get(b"after"), "another login is another"


def test_I1_of_a_user_whose_sessions_are_about_to_end_nothing_is_kept_for_long(bench: Bench) -> None:
    """A logout token without `sid`: which of the sessions end, and when, nobody says."""
    one, two = bench.worker(), bench.worker()
    bench.signed_in()
    two.get(b"token")
    one.do("told", ("op", "1"), users=["ada"])
    bench.clock.advance(LEASE)
    assert two.get(b"token")
    bench.provider.answers[b"token"] = REFUSED
    bench.clock.advance(5 * SECOND)
    assert two.get(b"token") is NotSignedIn.UNKNOWN
    bench.clock.advance(timedelta(minutes=10))
    bench.signed_in()
    assert two.get(b"token")
    bench.clock.advance(timedelta(minutes=4))
    asked = len(bench.provider.asked)
    assert two.get(b"token")
    assert len(bench.provider.asked) == asked, "minutes later it is kept as ever"


# --- open streams


def test_X8_an_open_streams_session_is_asked_for_again_in_time(bench: Bench) -> None:
    worker = bench.worker()
    bench.signed_in()
    session = worker.get(b"token")
    bench.clock.advance(timedelta(minutes=4))
    assert worker.do("recheck", session, b"token") is session
    assert len(bench.provider.asked) == 1
    bench.clock.advance(timedelta(minutes=1))
    assert worker.do("recheck", session, b"token") == session
    assert len(bench.provider.asked) == 2
    bench.clock.advance(timedelta(minutes=5))
    bench.provider.answers[b"token"] = REFUSED
    assert worker.do("recheck", session, b"token") is NotSignedIn.UNKNOWN


def test_X8_where_nothing_is_kept_an_open_stream_is_asked_for_every_ten_seconds(bench: Bench) -> None:
    worker = bench.worker(revalidate_after=timedelta(0))
    bench.signed_in()
    session = worker.get(b"token")
    bench.clock.advance(9 * SECOND)
    assert worker.do("recheck", session, b"token") is session
    bench.provider.answers[b"token"] = REFUSED
    bench.clock.advance(SECOND)
    assert worker.do("recheck", session, b"token") is NotSignedIn.UNKNOWN


def test_N5_an_open_stream_ends_with_its_session_though_the_provider_is_away(bench: Bench) -> None:
    """It need not be asked of what the log says has ended; of all else an outage says nothing."""
    one, two = bench.worker(), bench.worker()
    bench.signed_in()
    session = two.get(b"token")
    one.do("session_ended", "s1")
    bench.provider.answers[b"token"] = AWAY
    bench.clock.advance(LEASE)
    assert two.do("recheck", session, b"token") is NotSignedIn.UNKNOWN


def test_I4_an_open_stream_is_not_ended_by_an_outage(bench: Bench) -> None:
    worker = bench.worker()
    bench.signed_in()
    session = worker.get(b"token")
    bench.provider.answers[b"token"] = AWAY
    bench.clock.advance(timedelta(minutes=5))
    with pytest.raises(Unavailable):
        worker.do("recheck", session, b"token")


def test_X8_without_the_log_an_open_streams_session_is_asked_for(bench: Bench) -> None:
    store = faulty(bench)
    worker = bench.worker(store)
    bench.signed_in()
    session = worker.get(b"token")
    store.fail("poll")
    bench.clock.advance(LEASE)
    assert worker.do("recheck", session, b"token") == session
    assert len(bench.provider.asked) == 2
    bench.provider.answers[b"token"] = REFUSED
    assert worker.do("recheck", session, b"token") is NotSignedIn.UNKNOWN

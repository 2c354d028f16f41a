"""Refresh tokens are exchanged at each use, and a stolen one ends its family (J1 to J4, L17)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import ApiTokens, ConfigurationError, NotSignedIn, Sessions, TokenPairs
from coatcheck.testing import FaultyStore, ManualClock, MemoryStore
from coatcheck.testing._pair import together

if TYPE_CHECKING:
    from pathlib import Path

    from coatcheck import Event, TokenPair

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
GRACE = timedelta(seconds=10)
MANY = 50
KEYS = ["a key for tests of token pairs, 32 octets or more"]


@pytest.fixture
def pairs(sessions: Sessions) -> TokenPairs:
    return TokenPairs(sessions)


def refreshed(pairs: TokenPairs, pair: TokenPair) -> TokenPair:
    found = pairs.refresh(pair.refresh)
    assert found
    return found


def test_J4_each_use_of_a_refresh_token_brings_the_next(pairs: TokenPairs, clock: ManualClock) -> None:
    """Access tokens live for minutes; what they say is the grant."""
    first = pairs.issue("ann", name="phone", scopes=["mail"])
    assert first.expires_in == 10 * MINUTE
    clock.advance(9 * MINUTE)
    second = refreshed(pairs, first)
    assert second.refresh != first.refresh
    found = pairs.get(first.access)
    assert found
    assert (found.kind, found.id, found.user_id, found.name) == ("access", first.grant.id, "ann", "phone")
    assert found.allows("mail")
    clock.advance(MINUTE)
    assert pairs.get(first.access) is NotSignedIn.EXPIRED
    assert pairs.lookup(first.access) is None
    assert pairs.get(second.access)
    assert pairs.lookup(second.access)


def test_J4_two_racing_refreshes_get_the_same_successor(pairs: TokenPairs, clock: ManualClock) -> None:
    """As long as the grace lasts and nobody has used that one."""
    first = pairs.issue("ann", name="phone")
    second = refreshed(pairs, first)
    clock.advance(GRACE - timedelta(seconds=1))
    assert refreshed(pairs, first).refresh == second.refresh
    third = refreshed(pairs, second)
    assert pairs.refresh(first.refresh) is NotSignedIn.UNKNOWN
    assert pairs.get(third.access)


@pytest.mark.parametrize("used", [1, 3], ids=["the last one", "an older one"])
def test_J4_L17_a_replay_ends_the_whole_family(
    pairs: TokenPairs, clock: ManualClock, events: list[Event], used: int
) -> None:
    """Whoever has come too late, thief or owner: no token of the grant is good any more, and others' are."""
    first, other = pairs.issue("ann", name="phone"), pairs.issue("ann", name="tablet")
    last = first
    for _ in range(used):
        last = refreshed(pairs, last)
    clock.advance(GRACE)
    assert pairs.get(last.access)
    assert not pairs.refresh(first.refresh)
    assert not pairs.get(last.access)
    assert not pairs.get(first.access)
    assert not pairs.refresh(last.refresh)
    assert [event.kind for event in events].count("reused") == 1
    assert pairs.get(other.access)
    assert refreshed(pairs, other)


def test_J4_refreshing_never_moves_the_end(sessions: Sessions, clock: ManualClock) -> None:
    """Idle time begins anew with each; the absolute end is where it was (ASVS 10.4.8)."""
    pairs = TokenPairs(sessions, idle_timeout=2 * DAY, lifetime=5 * DAY)
    pair = idle = pairs.issue("ann", name="phone")
    end = pairs.list("ann")[0].expires_at
    idle = pairs.issue("ann", name="idle")
    for _ in range(4):
        clock.advance(DAY)
        pair = refreshed(pairs, pair)
        sessions.finish()
    assert [each.name for each in pairs.list("ann")] == ["phone"]
    assert not pairs.refresh(idle.refresh)
    assert pairs.list("ann")[0].expires_at >= end
    assert pairs.list("ann")[0].expires_at - pairs.list("ann")[0].created_at == 5 * DAY
    clock.advance(DAY - timedelta(minutes=1))
    pair = refreshed(pairs, pair)
    found = pairs.get(pair.access)
    assert found
    assert found.expires_at - found.created_at == 5 * DAY
    clock.advance(MINUTE)
    assert pairs.get(pair.access) is NotSignedIn.EXPIRED
    assert pairs.refresh(pair.refresh) is NotSignedIn.EXPIRED


def test_J3_J4_whatever_ends_the_grant_ends_its_access_tokens(
    sessions: Sessions, tmp_path: Path, keys: list[str]
) -> None:
    """At once, in another process too, although they are signed and not over."""
    pairs = TokenPairs(sessions)
    with Sessions(f"sqlite:///{tmp_path}/app.db", keys=keys) as elsewhere:
        seen = TokenPairs(elsewhere)

        def ended_by(end: object) -> None:
            pair = pairs.issue("ann", name="phone")
            assert seen.get(pair.access)
            assert seen.lookup(pair.access)
            assert end(pair)  # type: ignore[operator]
            assert not seen.get(pair.access)
            assert not seen.refresh(pair.refresh)

        ended_by(lambda pair: pairs.revoke(pair.access))
        ended_by(lambda pair: pairs.revoke(pair.refresh))
        ended_by(lambda pair: pairs.revoke_by_id(pair.grant.id, user_id="ann"))
        ended_by(lambda _: pairs.revoke_user("ann"))
        ended_by(lambda _: sessions.revoke_user("ann"))
        ended_by(lambda _: sessions.revoke_everyone() or True)


def test_J3_an_access_token_that_is_over_ends_nothing(pairs: TokenPairs, clock: ManualClock) -> None:
    """Whoever finds one in a log cannot sign the application out with it."""
    first = pairs.issue("ann", name="phone")
    clock.advance(10 * MINUTE)
    assert not pairs.revoke(first.access)
    second = refreshed(pairs, first)
    assert pairs.revoke(second.access)
    assert not pairs.revoke(second.access)
    assert not pairs.refresh(second.refresh)


def test_T7_an_access_token_that_is_over_costs_no_look(clock: ManualClock) -> None:
    """It was good once, and is signed; whoever has one must not keep the store busy with it."""
    store = FaultyStore(MemoryStore(clock=clock))
    with Sessions(store, keys=KEYS, clock=clock) as sessions:
        pairs = TokenPairs(sessions)
        access = pairs.issue("ann", name="phone").access
        assert pairs.get(access)
        clock.advance(10 * MINUTE)
        store.fail("find", "read", "poll")
        assert pairs.get(access) is NotSignedIn.EXPIRED


def test_J1_J2_an_access_token_is_what_was_signed_and_nothing_else(sessions: Sessions, clock: ManualClock) -> None:
    """Another grant, a later end, another key, purpose or prefix: refused without a look into the store."""
    pairs, tokens = TokenPairs(sessions), ApiTokens(sessions)
    one, two = pairs.issue("ann", name="phone"), pairs.issue("bob", name="phone")
    api = tokens.create("ann", name="CI").token
    access, other = one.access.reveal(), two.access.reveal()
    body, signature = access.removeprefix("cca_").split(".")
    later = f"{int(body[22:], 16) + 3600:09x}"
    stranger = TokenPairs(Sessions(MemoryStore(clock=clock), keys=["a key of somebody else, 32 octets"], clock=clock))
    for wrong in (
        f"cca_{body[:22]}{later}.{signature}",
        f"cca_{other.removeprefix('cca_').split('.')[0]}.{signature}",
        f"cca_{body}",
        f"cca_{body}.",
        access.removeprefix("cca_"),
        access + "A",
        stranger.issue("ann", name="phone").access.reveal(),
        "cca_" + sessions.create("ann").token.reveal(),
        one.refresh.reveal(),
        api.reveal(),
        "",
    ):
        assert pairs.get(wrong) in {NotSignedIn.MALFORMED, NotSignedIn.NO_TOKEN}
    for each in (one.access, one.refresh):
        assert not sessions.get(each)
        assert not tokens.get(each)
    assert not pairs.refresh(one.access)
    assert not pairs.refresh(api)
    assert pairs.get(one.access)


def test_S9_an_outage_is_none_of_the_answers(clock: ManualClock, keys: list[str]) -> None:
    """Nobody is told that a token is not good while nobody can tell."""
    from coatcheck import Unavailable

    store = FaultyStore(MemoryStore(clock=clock))
    with Sessions(store, keys=keys, clock=clock) as sessions:
        pairs = TokenPairs(sessions)
        pair = pairs.issue("ann", name="phone")
        store.fail("find", "read", "poll", "renew")
        clock.advance(MINUTE)
        with pytest.raises(Unavailable):
            pairs.get(pair.access)
        with pytest.raises(Unavailable):
            pairs.refresh(pair.refresh)


def test_keys_are_needed_and_settings_have_bounds(sessions: Sessions, clock: ManualClock) -> None:
    with pytest.raises(ConfigurationError, match="keys"):
        TokenPairs(Sessions(MemoryStore(clock=clock), clock=clock))
    wrongs: tuple[dict[str, Any], ...] = (
        {"access_lifetime": 2 * 60 * MINUTE},
        {"grace": timedelta(0)},
        {"prefix": "CC"},
    )
    for wrong in wrongs:
        with pytest.raises(ConfigurationError, match="is not possible"):
            TokenPairs(sessions, **wrong)


@pytest.fixture(params=["sqlite", "postgresql", "valkey"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/app.db"
    url = request.getfixturevalue(f"{request.param}_url")
    if request.param == "postgresql":
        from coatcheck.stores.postgresql import PostgreSQLStore

        store = PostgreSQLStore(url)
        store.migrate()
        store.close()
    return str(url)


def test_J4_of_fifty_parallel_refreshes_one_makes_the_successor(url: str, keys: list[str]) -> None:
    """On two workers; nobody is refused, and the family goes on."""
    with Sessions(url, keys=keys) as one, Sessions(url, keys=keys) as two:
        workers = [TokenPairs(one), TokenPairs(two)]
        pair = workers[0].issue("ann", name="phone")
        calls = [lambda worker=workers[number % 2]: worker.refresh(pair.refresh) for number in range(MANY)]
        found = together(calls)
        assert all(found)
        assert len({each.refresh.reveal() for each in found if each}) == 1
        assert all(workers[1].get(each.access) for each in found if each)
        assert len(workers[0].list("ann")) == 1
        assert {each.grant.id for each in found if each} == {pair.grant.id}
        assert workers[1].refresh(next(each.refresh for each in found if each))
        one.revoke_user("ann")

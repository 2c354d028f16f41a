"""Fault injection: every fault happens as ordered, to the calls it was ordered for."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from coatcheck import AsyncSessions, NotSignedIn, Session, Sessions, Unavailable
from coatcheck.stores.async_protocol import AsyncStore
from coatcheck.stores.protocol import Store
from coatcheck.testing import AsyncFaultyStore, AsyncMemoryStore, FaultyStore, MemoryStore

if TYPE_CHECKING:
    from coatcheck import Token

DEADLINE = 20.0


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(MemoryStore())


@pytest.fixture
def sessions(store: FaultyStore) -> Sessions:
    return Sessions(store)


@pytest.fixture
def token(sessions: Sessions) -> Token:
    return sessions.create("ann").token


def test_without_orders_everything_passes(store: FaultyStore, sessions: Sessions, token: Token) -> None:
    """And is counted by name."""
    assert isinstance(sessions.get(token), Session)
    assert isinstance(sessions.get(token), Session)
    assert (store.count("create"), store.count("read"), store.count("poll")) == (1, 1, 1)
    assert store.count("read", "poll", "revoke") == 2
    assert store.calls == ["poll", "create", "read"]


def test_S9_a_failing_call_does_not_reach_the_store(store: FaultyStore, sessions: Sessions, token: Token) -> None:
    """As often as ordered."""
    store.fail("revoke", times=2)
    for _ in range(2):
        with pytest.raises(Unavailable):
            sessions.revoke(token)
    assert sessions.get(token)
    assert sessions.revoke(token) is True


def test_S9_it_fails_until_it_is_healed(store: FaultyStore, sessions: Sessions, token: Token) -> None:
    """I4: an outage is never told as "not signed in"."""
    store.fail("read", "poll")
    for _ in range(3):
        with pytest.raises(Unavailable):
            sessions.get(token)
    store.heal()
    assert sessions.get(token)


def test_a_lost_answer_is_that_of_a_call_that_was_done(store: FaultyStore, sessions: Sessions, token: Token) -> None:
    """The caller cannot know, and may do it again."""
    store.lose_answers("revoke", times=1)
    with pytest.raises(Unavailable):
        sessions.revoke(token)
    assert sessions.get(token) is NotSignedIn.UNKNOWN
    assert sessions.revoke(token) is False


def test_a_held_call_waits_for_its_release(store: FaultyStore, sessions: Sessions, token: Token) -> None:
    """Before the store has seen it."""
    gate = store.hold("revoke")
    with ThreadPoolExecutor(1) as pool:
        revoking = pool.submit(sessions.revoke, token)
        gate.reached()
        assert sessions.get(token)
        gate.release()
        assert revoking.result(DEADLINE) is True
    assert sessions.revoke(token) is False


def test_a_held_answer_is_late(store: FaultyStore, sessions: Sessions, token: Token) -> None:
    """What it says was true when the store said it."""
    gate = store.hold_answers("read")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(sessions.get, token)
        gate.reached()
        sessions.revoke(token)
        assert not reading.done()
        gate.release()
        assert isinstance(reading.result(DEADLINE), Session)


def test_a_fault_for_a_call_that_there_is_not_is_refused(store: FaultyStore) -> None:
    """It would never happen, and the test that orders it would prove nothing."""
    for order in (store.fail, store.lose_answers, store.hold, store.hold_answers, store.count):
        with pytest.raises(ValueError, match="raed"):
            order("raed")


@pytest.mark.parametrize(("protocol", "faulty"), [(Store, FaultyStore), (AsyncStore, AsyncFaultyStore)])
def test_every_call_of_a_store_can_be_ordered_to_fail(protocol: type, faulty: type) -> None:
    """All that the Protocol has, but what asks nobody."""
    calls = {name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_")}
    store = faulty(None)
    for name in calls - {"unchanged", "news", "vitals"}:
        store.fail(name)
        assert callable(getattr(store, name))


@pytest.mark.anyio
class TestTasks:
    async def test_S9_faults_happen_as_ordered(self) -> None:
        """Failing, losing and counting, as among threads."""
        store = AsyncFaultyStore(AsyncMemoryStore())
        sessions = AsyncSessions(store)
        token = (await sessions.create("ann")).token
        store.fail("read", times=1)
        with pytest.raises(Unavailable):
            await sessions.get(token)
        assert await sessions.get(token)
        store.lose_answers("revoke")
        with pytest.raises(Unavailable):
            await sessions.revoke(token)
        store.heal()
        assert await sessions.revoke(token) is False
        assert store.calls == ["poll", "create", "read", "read", "revoke", "revoke"]

    async def test_a_held_call_waits_for_its_release(self) -> None:
        """While other tasks go on."""
        store = AsyncFaultyStore(AsyncMemoryStore())
        sessions = AsyncSessions(store)
        token = (await sessions.create("ann")).token
        before, after = store.hold("revoke"), store.hold_answers("revoke")
        revoking = asyncio.ensure_future(sessions.revoke(token))
        await before.reached()
        assert await AsyncSessions(store.store).get(token)
        before.release()
        await after.reached()
        assert not revoking.done()
        assert await AsyncSessions(store.store).get(token) is NotSignedIn.UNKNOWN
        after.release()
        assert await revoking is True

    async def test_nobody_waits_at_a_gate_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What does not come is an error, not a hanging test."""
        monkeypatch.setattr("coatcheck.testing._async_pair.DEADLINE", 0.01)
        with pytest.raises(TimeoutError):
            await AsyncFaultyStore(AsyncMemoryStore()).hold("read").reached()


def test_no_thread_waits_at_a_gate_for_ever(monkeypatch: pytest.MonkeyPatch, store: FaultyStore) -> None:
    """Neither the test nor the call that nobody releases."""
    monkeypatch.setattr("coatcheck.testing._pair.DEADLINE", 0.01)
    gate = store.hold("sweep")
    with pytest.raises(TimeoutError):
        gate.reached()
    with pytest.raises(TimeoutError):
        store.sweep(1)

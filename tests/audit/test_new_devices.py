"""A user is told of sign-ins from elsewhere, and never kept out by that (S16, S15)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AuditTrail, Event, Policy, Sessions
from coatcheck.core.addresses import neighbourhood_of
from coatcheck.devices import device_kind
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import FaultyStore, ManualClock, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0"
UPDATED = WINDOWS.replace("143", "144")
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"
)
HOME, NEARBY, AWAY = "192.0.2.1", "192.0.2.200", "198.51.100.7"


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def make(events: list[Event]) -> Callable[..., Sessions]:
    """Make sessions that tell of new devices."""

    def make(store: Any = None, **policy: Any) -> Sessions:
        chosen = Policy(notice_new_devices=True, **policy)
        return Sessions(store or MemoryStore(), policy=chosen, on_event=events.append)

    return make


def told(events: list[Event]) -> list[tuple[str | None, str]]:
    return [(event.session_id, event.detail) for event in events if event.kind == "new_device"]


def test_S16_a_sign_in_from_elsewhere_is_told_of(make: Callable[..., Sessions], events: list[Event]) -> None:
    """With all that a mail to the user needs; the session is as good as any."""
    with make() as sessions:
        sessions.create("ann", ip=HOME, user_agent=WINDOWS)
        created = sessions.create("ann", ip=AWAY, user_agent=IPHONE)
        assert sessions.get(created.token)
    event = events[-1]
    assert (event.kind, event.user_id, event.session_id) == ("new_device", "ann", created.session.id)
    assert (event.detail, event.ip, event.user_agent, event.device) == (
        "device, network",
        AWAY,
        IPHONE,
        "Safari on iPhone",
    )
    assert event.at >= created.session.created_at


@pytest.mark.parametrize(
    ("ip", "user_agent", "detail"),
    [
        (HOME, WINDOWS, None),
        (NEARBY, UPDATED, None),
        (None, None, None),
        (AWAY, UPDATED, "network"),
        (HOME, IPHONE, "device"),
        (None, IPHONE, "device"),
        ("2001:db8::1", WINDOWS, "network"),
    ],
)
def test_S16_what_is_new(
    make: Callable[..., Sessions], events: list[Event], ip: str | None, user_agent: str | None, detail: str | None
) -> None:
    """An update of the browser and another address nearby are not, nor is what is not known."""
    with make() as sessions:
        sessions.create("ann", ip=HOME, user_agent=WINDOWS)
        session = sessions.create("ann", ip=ip, user_agent=user_agent).session
    assert told(events) == ([] if detail is None else [(session.id, detail)])


def test_S16_the_first_sign_in_is_no_news(make: Callable[..., Sessions], events: list[Event]) -> None:
    """Nor is a visitor's session, another user's, or one of somebody who acts as the user."""
    with make() as sessions:
        sessions.create("ann", ip=HOME, user_agent=WINDOWS)
        sessions.create("bob", ip=AWAY, user_agent=IPHONE)
        sessions.create(None, ip=AWAY, user_agent=IPHONE)
        sessions.create("ann", ip=AWAY, user_agent=IPHONE, actor_id="support-3")
        assert told(events) == []
        sessions.create("ann", ip=AWAY, user_agent=IPHONE)
        assert len(told(events)) == 1, "where somebody else has acted is not known of the user"


def test_S16_the_session_that_makes_room_is_known(make: Callable[..., Sessions], events: list[Event]) -> None:
    """Both the one that is evicted and the one that is replaced."""
    with make(max_sessions=1) as sessions:
        first = sessions.create("ann", ip=HOME, user_agent=WINDOWS)
        second = sessions.create("ann", ip=HOME, user_agent=WINDOWS)
        sessions.create("ann", ip=HOME, user_agent=IPHONE, replaces=second.token)
        assert first.session.id != second.session.id
    assert [detail for _, detail in told(events)] == ["device"]


def test_S15_S16_the_audit_trail_remembers(tmp_path: Path, events: list[Event]) -> None:
    """After all sessions have ended, too; and it says what was told."""
    clock, policy = ManualClock(), Policy(notice_new_devices=True, audit_keep_for=timedelta(days=365))
    with Sessions(
        SQLiteStore(f"{tmp_path}/app.db", clock=clock), clock=clock, policy=policy, on_event=events.append
    ) as sessions:
        sessions.create("ann", ip=HOME, user_agent=WINDOWS)
        clock.advance(timedelta(days=60))
        sessions.sweep()
        sessions.create("ann", ip=NEARBY, user_agent=UPDATED)
        assert told(events) == []
        session = sessions.create("ann", ip=HOME, user_agent=IPHONE).session
        (entry,) = AuditTrail(sessions).entries(action="new_device").entries
    assert told(events) == [(session.id, "device")]
    assert (entry.session_id, entry.user_id, entry.address, entry.detail) == (session.id, "ann", HOME, "device")


@pytest.mark.parametrize("call", ["list_sessions", "entries", "record"])
def test_S16_what_cannot_be_looked_up_keeps_nobody_out(
    make: Callable[..., Sessions], events: list[Event], call: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = FaultyStore(MemoryStore())
    with make(store, audit_keep_for=timedelta(days=1)) as sessions:
        sessions.create("ann", ip=HOME, user_agent=WINDOWS)
        store.fail(call)
        assert sessions.get(sessions.create("ann", ip=AWAY, user_agent=IPHONE).token)
        assert told(events) == []
        assert "coatcheck.new_device_unnoticed" in caplog.text


def test_S16_it_is_off_unless_it_is_wanted(events: list[Event]) -> None:
    store = FaultyStore(MemoryStore())
    with Sessions(store, on_event=events.append) as sessions:
        sessions.create("ann", ip=HOME, user_agent=WINDOWS)
        sessions.create("ann", ip=AWAY, user_agent=IPHONE)
    assert told(events) == []
    assert store.count("list_sessions") == 0
    assert [(event.ip, event.user_agent) for event in events] == [(HOME, WINDOWS), (AWAY, IPHONE)]


@pytest.mark.parametrize(
    ("address", "neighbourhood"),
    [
        ("192.0.2.1", "192.0.2.0/24"),
        ("::ffff:192.0.2.1", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("unix", "unix"),
    ],
)
def test_neighbourhoods(address: str, neighbourhood: str) -> None:
    assert neighbourhood_of(address) == neighbourhood


def test_kinds_of_devices() -> None:
    """What is unknown is taken as it is, without its versions."""
    assert device_kind(WINDOWS) == device_kind(UPDATED) == "Firefox on Windows"
    assert device_kind(IPHONE) == "Safari on iPhone"
    assert device_kind("shop-app/2.1 (build 77)") == device_kind("shop-app/2.2 (build 78)")
    assert device_kind("shop-app/2.1") != device_kind("other-app/2.1")

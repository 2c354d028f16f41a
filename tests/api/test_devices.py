"""Readable names for devices."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.devices import describe_device

if TYPE_CHECKING:
    from collections.abc import Iterator

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.fixture
def no_memory() -> Iterator[None]:
    """Forget the names found so far, before and after."""
    describe_device.cache_clear()
    yield
    describe_device.cache_clear()


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox 143 on Windows"),
        ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox 143 on Ubuntu"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} Chrome/140.0.0.0 Safari/537.36", "Chrome 140 on Linux"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome 140 on Android"),
        ("Mozilla/5.0 (Android 14; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0", "Firefox 143 on Android"),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
            "Edge 140 on Windows",
        ),
        (f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15", "Safari 18 on macOS"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/140.0.0.0 Safari/537.36", "Chrome 140 on ChromeOS"),
        (f"{IPHONE} Version/18.5 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        (f"{IPHONE} CriOS/140.0.7339.101 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        (f"{IPHONE} FxiOS/143.0 Mobile/15E148 Safari/605.1.15", "Firefox on iPhone"),
        ("curl/8.5.0", "curl 8"),
        ("Mozilla/5.0", "Unknown device"),
        ("something nobody has heard of", "Unknown device"),
        ("", "Unknown device"),
        (None, "Unknown device"),
    ],
)
def test_a_device_is_named_as_its_user_would(agent: str | None, name: str) -> None:
    """Browser and system, without what only their makers tell apart."""
    assert describe_device(agent) == name


def test_without_the_package_every_device_is_unknown(monkeypatch: pytest.MonkeyPatch, no_memory: None) -> None:
    """The list works without the extra `devices`, with less to read."""
    monkeypatch.setitem(sys.modules, "ua_parser", None)
    assert describe_device("curl/8.5.0") == "Unknown device"


def test_S12_what_the_parser_finds_is_cut_and_cleaned(monkeypatch: pytest.MonkeyPatch, no_memory: None) -> None:
    """A browser's name is a part of what it sent, and may hold anything."""

    def found(_: str) -> SimpleNamespace:
        browser = SimpleNamespace(family="Evil\x1b[2J\u202e" + "x" * 100, major="1")
        return SimpleNamespace(user_agent=browser, os=None, device=None)

    monkeypatch.setattr("ua_parser.parse", found)
    name = describe_device("anything")
    assert name.startswith("Evil[2Jx")
    assert name.isprintable()
    assert len(name) <= 80


@given(agent=st.text(max_size=600) | st.builds("{}/{} (X11; {})".format, st.text(), st.integers(), st.text()))
def test_S12_whatever_a_client_calls_itself_the_name_is_short_and_printable(agent: str) -> None:
    """Anybody can send anything: a name of at most 80 printable characters comes of it."""
    name = describe_device(agent)
    assert 0 < len(name) <= 80
    assert name.isprintable()

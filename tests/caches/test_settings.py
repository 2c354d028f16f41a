"""The settings of the shared cache are checked where they are made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from coatcheck.core.settings import LONGEST_COPY, SharedCacheSettings
from coatcheck.errors import ConfigurationError


def test_the_defaults_are_an_hour_and_fifty_milliseconds() -> None:
    settings = SharedCacheSettings()
    assert settings.enabled
    assert settings.ttl == LONGEST_COPY == timedelta(hours=1)
    assert settings.ttl_ns == 3600 * 10**9
    assert settings.timeout_ns == 50 * 10**6
    assert settings.pause_ns == 500 * 10**6
    assert settings.longest_pause_ns == 10 * 10**9


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("ttl", timedelta(milliseconds=999)),
        ("ttl", LONGEST_COPY + timedelta(microseconds=1)),
        ("timeout", timedelta(0)),
        ("timeout", timedelta(seconds=1, microseconds=1)),
        ("failures", 0),
        ("pause", timedelta(0)),
        ("longest_pause", timedelta(milliseconds=499)),
    ],
)
def test_what_is_not_possible_is_refused_with_its_name_value_and_fix(setting: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"shared cache {setting}={value!s} is not possible: use"):
        SharedCacheSettings(**{setting: value})


@pytest.mark.parametrize(
    ("setting", "value"),
    [("ttl", timedelta(seconds=1)), ("timeout", timedelta(milliseconds=1)), ("timeout", timedelta(seconds=1))],
)
def test_the_ends_of_the_ranges_are_possible(setting: str, value: Any) -> None:
    assert getattr(SharedCacheSettings(**{setting: value}), setting) == value

"""Django's settings: what of them is honoured, and that a wrong one is told with its name, its value and the fix."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings

from coatcheck import ConfigurationError, Session
from coatcheck.django import configuration
from coatcheck.django.running import running
from coatcheck.django.sessions import SessionStore
from tests.django import site as sites

MIDDLEWARE = "coatcheck.django.middleware.SessionMiddleware"


@pytest.fixture(autouse=True)
def _tables() -> None:
    sites.prepared()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"COATCHECK": {"polcy": {}}}, "polcy is no setting: use policy"),
        ({"COATCHECK": {"policy": {"idle_timeout": "soon"}}}, "policy.idle_timeout='soon' is not possible"),
        ({"COATCHECK": {"database": "other"}}, "COATCHECK['database']='other' is not possible: DATABASES has default"),
        ({"COATCHECK": {"database": "default", "store": "sqlite:///x.db"}}, "a store is given as well"),
        ({"COATCHECK": {"store": "mysql://db"}}, "store='mysql://db' is not possible"),
        ({"COATCHECK": {"trusted_hops": -1}}, "COATCHECK['trusted_hops']=-1 is not possible"),
        ({"COATCHECK": ["store"]}, "COATCHECK is no dictionary"),
        ({"SESSION_COOKIE_AGE": 0}, "SESSION_COOKIE_AGE=0 is not possible: use one second to ten years"),
        ({"SESSION_COOKIE_AGE": 1.5}, "SESSION_COOKIE_AGE=1.5 is not possible"),
        ({"SESSION_SERIALIZER": "shop.PickleSerializer"}, "SESSION_SERIALIZER='shop.PickleSerializer' is not possible"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_setting_is_told_by_check(changed: dict[str, Any], words: str) -> None:
    """With its name, its value and the fix, before the first request."""
    with override_settings(**changed), pytest.raises(SystemCheckError) as told:
        call_command("check")
    assert words in str(told.value)


def test_a_wrong_setting_fails_when_the_server_starts() -> None:
    """Our middleware reads them all when it is made."""
    from django.core.wsgi import get_wsgi_application

    with (
        override_settings(COATCHECK={"policy": {"lifetime": "0s"}}),
        pytest.raises(ConfigurationError, match="lifetime"),
    ):
        get_wsgi_application()


@pytest.mark.parametrize(
    ("changed", "ids"),
    [
        ({}, []),
        ({"SESSION_ENGINE": "django.contrib.sessions.backends.db"}, ["coatcheck.W001"]),
        ({"MIDDLEWARE": ["django.contrib.sessions.middleware.SessionMiddleware"]}, ["coatcheck.W002"]),
    ],
    ids=["as it is meant", "another engine", "Django's middleware"],
)
def test_what_is_missing_is_told_by_check(changed: dict[str, Any], ids: list[str]) -> None:
    """As a warning, for the site works."""
    with override_settings(**changed):
        found = [message.id for message in checks.run_checks() if str(message.id).startswith("coatcheck")]
    assert found == ids


def test_no_password_of_a_database_is_shown() -> None:
    """Whatever is wrong with it, and however the settings are printed (rule T9)."""
    place = {"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "USER": "shop", "PASSWORD": "hunter2/@?"}
    from django.db import connections

    connections.settings["secret"] = {**connections.settings["default"], **place, "HOST": "/run/pg", "PORT": "5432"}
    try:
        with override_settings(COATCHECK={"database": "secret"}):
            wiring = configuration.read()
            sessions = wiring.settings.sessions()
        assert "hunter2" not in repr(wiring)
        assert "hunter2" not in repr(sessions.store.__dict__.get("url"))
        with (
            override_settings(COATCHECK={"database": "secret", "store.schema": "x", "policy": {"touch_every": "40d"}}),
            pytest.raises(ConfigurationError) as told,
        ):
            configuration.read()
        assert "hunter2" not in str(told.value)
    finally:
        del connections.settings["secret"]


# --- how long a session lives


def begun(expiry: Any = None, **data: Any) -> SessionStore:
    session = SessionStore()
    session.update({"a": 1, **data})
    if expiry is not None:
        session.set_expiry(expiry)
    session.save()
    return session


def record(key: str | None) -> Session:
    found = running.sessions().get(key)
    assert isinstance(found, Session)
    return found


def close_to(moment: datetime | None, expected: timedelta) -> bool:
    """Tell whether a time is so far away, give or take what a loaded machine needs for a test."""
    assert moment is not None
    return abs(moment - datetime.now(UTC) - expected) < timedelta(minutes=5)


def test_the_age_of_the_cookie_is_how_long_a_session_lives_unchanged() -> None:
    """Django's own rule: two weeks by default."""
    assert settings.SESSION_COOKIE_AGE == 14 * 86_400
    assert close_to(record(begun().session_key).idle_expires_at, timedelta(days=14))
    with override_settings(SESSION_COOKIE_AGE=7200):
        assert close_to(record(begun().session_key).idle_expires_at, timedelta(hours=2))


@pytest.mark.parametrize("every", [False, True], ids=["changed", "used"])
def test_a_use_extends_a_session_only_if_every_request_saves_it(every: bool) -> None:
    """With SESSION_SAVE_EVERY_REQUEST it lives for as long as it is used, which is noted in the background."""
    with override_settings(SESSION_SAVE_EVERY_REQUEST=every):
        policy = running.wiring().settings.policy
        now, idle = 1_000_000_000, 500_000_000
        assert policy.extended(now, idle, now + 1_000) == (now + idle if every else now + 1_000)
        assert running.wiring().slides is every


def test_L4_no_use_and_no_change_moves_the_absolute_end() -> None:
    """A session that is changed every day ends all the same: after the policy's lifetime, 30 days by default."""
    session = begun()
    end = record(session.session_key).expires_at
    assert close_to(end, timedelta(days=30))
    session["b"] = 2
    session.save()
    assert record(session.session_key).expires_at == end


def test_a_change_begins_the_time_anew() -> None:
    """As with Django's own engines."""
    session = begun(expiry=3600)
    session.set_expiry(7200)
    session.save()
    assert close_to(record(session.session_key).idle_expires_at, timedelta(hours=2))
    session.set_expiry(None)
    session.save()
    assert close_to(record(session.session_key).idle_expires_at, timedelta(days=14))


def test_an_expiry_may_be_later_than_the_policy_has_it() -> None:
    """`set_expiry` is the site's own word: remember me for a year; and taking it back gives the policy's end again."""
    year = 365 * 86_400
    session = begun(expiry=year)
    assert close_to(record(session.session_key).expires_at, timedelta(seconds=year))
    session.set_expiry(None)
    session.save()
    assert close_to(record(session.session_key).expires_at, timedelta(days=30))


def test_an_expiry_in_a_century_is_one_in_ten_years() -> None:
    """No session lives longer, and no site has to know."""
    for expiry in (100 * 365 * 86_400, timedelta(days=36_500)):
        assert close_to(record(begun(expiry=expiry).session_key).expires_at, timedelta(days=3650))


def test_an_expiry_at_a_time_is_absolute() -> None:
    """No use moves it."""
    session = begun(expiry=datetime.now(UTC) + timedelta(hours=3))
    assert close_to(record(session.session_key).expires_at, timedelta(hours=3))


def test_an_idle_timeout_of_coatcheck_counts_for_more() -> None:
    """And then every use extends a session, as it does elsewhere."""
    with override_settings(COATCHECK={"policy": {"idle_timeout": "1h", "touch_every": "1m"}}):
        assert close_to(record(begun().session_key).idle_expires_at, timedelta(hours=1))
        assert running.wiring().slides


def test_a_serializer_of_your_own_is_used_if_it_makes_json() -> None:
    """Dates, for those who have taught theirs about them."""
    with override_settings(SESSION_SERIALIZER="tests.django.serializers.Dates"):
        moment = datetime(2026, 1, 2, tzinfo=UTC)
        key = begun(at=moment).session_key
        assert SessionStore(key)["at"] == moment


def test_S1_a_pickle_is_never_made() -> None:
    """A serializer that makes no JSON is refused, whatever its name is."""
    from coatcheck import DataError

    with (
        override_settings(SESSION_SERIALIZER="tests.django.serializers.Binary"),
        pytest.raises(DataError, match="has to make JSON"),
    ):
        begun()

"""From Django's engines to ours: nobody is signed out by the change, and nothing that has ended comes back."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from datetime import timedelta
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore as Before
from django.core.management import CommandError, call_command
from django.test import AsyncClient, Client, override_settings
from django.utils import timezone

from coatcheck.django.running import running
from coatcheck.django.sessions import SessionStore
from tests.django import site as sites

if TYPE_CHECKING:
    from collections.abc import Iterator

DB = "django.contrib.sessions.backends.db"


@pytest.fixture(autouse=True)
def _tables() -> Iterator[None]:
    sites.prepared()
    Before.get_model_class().objects.all().delete()
    with override_settings(COATCHECK={"previous_engine": DB}):
        yield


def signed_in_before(**data: Any) -> str:
    """Return the key of somebody who has signed in with Django's engine."""
    with override_settings(SESSION_ENGINE=DB, MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"]):
        client = Client()
        client.force_login(User.objects.get(username="ann"))
        session = client.session
        session.update(data)
        session.save()
        key: str = client.cookies["sessionid"].value
    return key


def client_with(key: str) -> Client:
    client = Client()
    client.cookies["sessionid"] = key
    return client


def rows_before() -> int:
    return int(Before.get_model_class().objects.count())


@pytest.mark.parametrize("keys", [[], [token_urlsafe(32)]], ids=["unsigned", "signed"])
def test_who_was_signed_in_stays_so(keys: list[str]) -> None:
    """With the same cookie and the same data; the session is here now, and there no more."""
    with override_settings(COATCHECK={"previous_engine": DB, "keys": keys}):
        key = signed_in_before(cart=[1, 2])
        client = client_with(key)
        for _ in range(2):
            answer = client.get("/all")
            assert answer.json() == {"cart": [1, 2], "user": "ann"}
            assert not answer.cookies
        assert rows_before() == 0
        assert client.post("/set/a/1").cookies["sessionid"].value == key
        client.post("/sign-in/ann")
        assert client.cookies["sessionid"].value != key
        assert client_with(key).get("/all").json() == {}


@pytest.mark.anyio
async def test_the_same_in_an_event_loop() -> None:
    """Natively."""
    from asgiref.sync import sync_to_async

    key = await sync_to_async(signed_in_before)()
    client = AsyncClient()
    client.cookies["sessionid"] = key
    assert (await client.get("/a/all")).json() == {"user": "ann"}
    assert await sync_to_async(rows_before)() == 0


def test_T5_the_store_has_no_key_of_the_engine_before() -> None:
    """Nor does what it has open anything."""
    key = signed_in_before()
    client_with(key).get("/all")
    with closing(sqlite3.connect(sites.DATABASE)) as connection:
        rows = connection.execute("SELECT * FROM coatcheck_sessions").fetchall()
    assert len(rows) == 1
    assert key not in repr(rows)


def test_T6_a_key_that_no_engine_has_is_nobodys() -> None:
    """And creates nothing, however often it is tried."""
    for key in ("a" * 32, "0123456789abcdefghijklmnopqrstuv"):
        assert client_with(key).get("/all").json() == {}
    assert SessionStore("a" * 32).load() == {}
    assert not running.sessions().list_active()


def test_without_the_setting_a_key_of_the_engine_before_is_malformed() -> None:
    """And no engine is asked."""
    key = signed_in_before()
    with override_settings(COATCHECK={}):
        assert client_with(key).get("/all").json() == {}
    assert rows_before() == 1


def test_I3_a_session_that_was_ended_here_is_not_taken_over_again() -> None:
    """Not even if the engine before still had it."""
    key = signed_in_before()
    row = Before.get_model_class().objects.get(session_key=key)
    client = client_with(key)
    assert client.get("/all").json() == {"user": "ann"}
    row.save(force_insert=True)  # as if the process had died between the two
    client.post("/sign-out")
    assert rows_before() == 0
    assert client_with(key).get("/all").json() == {}


def test_a_session_ends_when_it_would_have_ended() -> None:
    """And one that has ended is not taken over at all."""
    key = signed_in_before()
    model = Before.get_model_class()
    model.objects.filter(session_key=key).update(expire_date=timezone.now() + timedelta(hours=1))
    client_with(key).get("/all")
    (session,) = running.sessions().list_active()
    assert timedelta(minutes=50) < session.idle_expires_at - timezone.now() <= timedelta(hours=1)
    gone = signed_in_before()
    model.objects.filter(session_key=gone).update(expire_date=timezone.now() - timedelta(seconds=1))
    assert client_with(gone).get("/all").json() == {}


def test_A1_when_somebody_signed_in_before_is_not_known() -> None:
    """So a view that needs it recently asks again."""
    client_with(signed_in_before()).get("/all")
    (session,) = running.sessions().list_active()
    assert session.authenticated_at is None
    assert session.user_id is not None


def test_the_command_moves_the_rest() -> None:
    """Those that nobody has used since; it can be run again."""
    keys = [signed_in_before(number=number) for number in range(3)]
    client_with(keys[0]).get("/all")
    for moved in (2, 0):
        out = io.StringIO()
        call_command("coatcheck_import_sessions", stdout=out)
        assert out.getvalue().strip() == f"moved {moved} sessions"
    assert rows_before() == 0
    assert [client_with(key).get("/all").json()["number"] for key in keys] == [0, 1, 2]


def test_the_command_says_what_it_needs() -> None:
    """The setting, and an engine that can list its sessions."""
    with override_settings(COATCHECK={}), pytest.raises(CommandError, match="previous_engine"):
        call_command("coatcheck_import_sessions")
    engine = "django.contrib.sessions.backends.cache"
    with (
        override_settings(COATCHECK={"previous_engine": engine}),
        pytest.raises(CommandError, match="moved when they are used"),
    ):
        call_command("coatcheck_import_sessions")


def test_sessions_of_an_engine_without_a_table_are_taken_over_when_used() -> None:
    """Those in Django's cache."""
    from django.contrib.sessions.backends.cache import SessionStore as InCache

    with override_settings(COATCHECK={"previous_engine": "django.contrib.sessions.backends.cache"}):
        old = InCache()
        old["a"] = 1
        old.save()
        assert client_with(old.session_key or "").get("/all").json() == {"a": 1}
        assert not InCache().exists(old.session_key or "")


def test_what_does_not_fit_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """And its user signs in again; the session stays where it is."""
    caplog.set_level("INFO", "coatcheck")
    key = signed_in_before(large="x" * 20_000)
    assert client_with(key).get("/all").json() == {}
    assert rows_before() == 1
    assert "coatcheck.not_taken_over" in caplog.text
    assert key not in caplog.text

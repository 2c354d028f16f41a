"""Periodic rotation: the cookie gets its next key when it is due, for threads and for event loops."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.test import override_settings

from tests.django import site as sites

if TYPE_CHECKING:
    from tests.django.site import DjangoSite

POLICY = {"rotate_after": "1h", "rotation_grace": "30s"}


def sql(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(sites.DATABASE)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def aged(age: timedelta) -> None:
    """Have everything begun, or been retired, longer ago."""
    micros = age // timedelta(microseconds=1)
    sql("UPDATE coatcheck_sessions SET created_at = created_at - ?, authenticated_at = NULL", micros)
    sql("UPDATE coatcheck_retired SET retired_at = retired_at - ?, until = until - ?", micros, micros)


@pytest.mark.parametrize("path", ["/all", "/set/a/1"], ids=["reading", "writing"])
def test_L16_L17_a_due_cookie_gets_its_next_key_and_a_replay_ends_all(sqlite_site: DjangoSite, path: str) -> None:
    """Whether the session was changed or not; all who come in time get the same, and then it is too late."""
    with override_settings(COATCHECK={"policy": POLICY}):
        browser = sqlite_site.browser()
        browser("POST", "/sign-in/ann")
        assert not browser("GET", "/all").all("set-cookie")
        old = dict(browser.cookies)
        ends = sql("SELECT expires_at FROM coatcheck_sessions")
        aged(timedelta(hours=1))
        answer = browser("POST", path)
        assert len(answer.all("set-cookie")) == 1
        assert "no-store" in answer.all("cache-control")[0]
        new = dict(browser.cookies)
        assert new != old
        late = sqlite_site.browser()
        late.cookies.update(old)
        assert late("GET", "/all").json()["user"] == "ann"
        assert late.cookies == new
        assert browser("GET", "/all").json()["user"] == "ann"
        assert not browser("GET", "/all").all("set-cookie")
        assert sql("SELECT expires_at FROM coatcheck_sessions") == ends

        aged(timedelta(seconds=31))
        assert "user" not in sqlite_site.browser()("GET", "/all", old).json()
        assert "user" not in browser("GET", "/all").json()
        assert sqlite_site.sessions() == 0


@pytest.mark.parametrize("every", [False, True], ids=["when changed", "every request"])
@pytest.mark.parametrize("own", [False, True], ids=["usual expiry", "own expiry"])
def test_L17_no_response_brings_a_retired_key_back(sqlite_site: DjangoSite, own: bool, every: bool) -> None:
    """Of two at once one is told that a new key is due; the other, who saves too, may answer after it.

    The browser would be left with a key that is taken for a stolen one after its grace.
    """
    with override_settings(COATCHECK={"policy": POLICY}, SESSION_SAVE_EVERY_REQUEST=every):
        browser = sqlite_site.browser()
        browser("POST", "/sign-in/ann")
        if own:
            browser("POST", "/expiry")
        aged(timedelta(hours=1))
        old = browser.cookies["sessionid"]
        first, second = sqlite_site.browser(), sqlite_site.browser()
        sent = []
        for twin, key in ((first, "a"), (second, "b")):
            twin.cookies["sessionid"] = old
            sent.append(twin.start("POST", f"/hold/{key}/1"))
            sqlite_site.pause.reached()
        for _ in sent:
            sqlite_site.pause.release()
        answers = [each.result() for each in sent]
        assert [answer.status for answer in answers] == [200, 200]
        assert not any(f"sessionid={old}" in line for answer in answers for line in answer.all("set-cookie"))
        assert first.cookies["sessionid"] != old
        assert first("GET", "/all").json() == {"a": "1", "b": "1", "user": "ann"}


@pytest.mark.parametrize("every", [False, True], ids=["when changed", "every request"])
@pytest.mark.parametrize("late", ["/look/get", "/set/b/1", "/sign-out", "/privileges", "/step-up"])
def test_L16_whoever_comes_late_with_the_key_before_does_what_it_wants(
    sqlite_site: DjangoSite, late: str, every: bool
) -> None:
    """Its key is in its grace: nothing is lost, and nobody is taken for a thief."""
    with override_settings(COATCHECK={"policy": POLICY}, SESSION_SAVE_EVERY_REQUEST=every):
        browser, slow = sqlite_site.browser(), sqlite_site.browser()
        browser("POST", "/sign-in/ann")
        aged(timedelta(hours=1))
        slow.cookies.update(browser.cookies)
        browser("POST", "/set/a/1")
        assert browser.cookies != slow.cookies
        assert slow("POST", late).status == 200
        if late == "/sign-out":
            assert sqlite_site.sessions() == 0
            return
        assert slow("GET", "/all").json()["a"] == "1"
        assert slow("GET", "/all").json()["user"] == "ann"
        assert sqlite_site.sessions() == 1

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

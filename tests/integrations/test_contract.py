"""What every integration keeps, kept by those for Starlette (and with it FastAPI), Litestar and Flask (and WSGI)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from coatcheck import Policy
from coatcheck.testing import ManualClock
from tests.integrations.contract import IntegrationContract, OutageContract, user_of
from tests.integrations.sites import FlaskSite, LitestarSite, SQLiteSite, StarletteSite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


KINDS = [StarletteSite, LitestarSite, FlaskSite]
NAMES = ["starlette", "litestar", "flask"]


@pytest.fixture(params=KINDS, ids=NAMES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SQLiteSite]:
    site: SQLiteSite = request.param(tmp_path)
    yield site
    site.close()


class TestContract(IntegrationContract, OutageContract):
    """All of it."""


@pytest.mark.parametrize("path", ["/all", "/set/a/1"], ids=["reading", "writing"])
@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_L16_L17_a_due_cookie_gets_its_next_token_and_a_replay_ends_all(
    kind: type[SQLiteSite], path: str, tmp_path: Path
) -> None:
    """Once for all who come in time, with one cookie that no cache stores (C6, H2); then it is too late."""
    clock, policy = ManualClock(), Policy(rotate_after=timedelta(hours=1))
    site = kind(tmp_path, policy=policy, clock=clock)
    try:
        browser = site.browser()
        browser("POST", "/sign-in/ann")
        old = dict(browser.cookies)
        clock.advance(timedelta(hours=1))
        answer = browser("POST", path)
        assert len(answer.all("set-cookie")) == 1
        assert answer.all("cache-control") == ["no-store"]
        late = site.browser()
        late.cookies.update(old)
        assert user_of(late("GET", "/all")) == "ann"
        assert late.cookies == browser.cookies != old
        clock.advance(policy.rotation_grace)
        assert user_of(browser("GET", "/all")) == "ann"
        assert user_of(site.browser()("GET", "/all", old)) is None
        assert user_of(browser("GET", "/all")) is None
        assert site.sessions() == 0
    finally:
        site.close()

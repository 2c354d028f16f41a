"""What every integration keeps, kept by ours, and by frameworks behind the plain middleware."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from coatcheck import AuditTrail, Policy, Sessions
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import ManualClock
from coatcheck.testing._integration.common import user_of
from coatcheck.testing.integration_conformance import (
    IntegrationConformance,
    OutageConformance,
    SilentStreamConformance,
    SocketConformance,
    StreamConformance,
)
from tests.integrations.any_framework import FalconSite, QuartSite
from tests.integrations.loops import LitestarSite, StarletteSite
from tests.integrations.on_aiohttp import AiohttpSite
from tests.integrations.threads import FlaskSite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integrations.sites import SQLiteSite

LOOPS = {"starlette": StarletteSite, "litestar": LitestarSite, "aiohttp": AiohttpSite, "quart": QuartSite}
THREADS = {"flask": FlaskSite, "falcon": FalconSite}


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SQLiteSite]:
    site: SQLiteSite = request.param(tmp_path)
    yield site
    site.close()


@pytest.mark.parametrize("site", LOOPS.values(), ids=LOOPS, indirect=True)
class TestInLoops(
    IntegrationConformance, OutageConformance, StreamConformance, SilentStreamConformance, SocketConformance
):
    """All of it."""


@pytest.mark.parametrize("site", THREADS.values(), ids=THREADS, indirect=True)
class TestInThreads(IntegrationConformance, OutageConformance, StreamConformance):
    """All that threads can do: they have no WebSockets, and one that waits cannot be interrupted."""


@pytest.mark.parametrize("path", ["/all", "/set/a/1"], ids=["reading", "writing"])
@pytest.mark.parametrize("kind", [*LOOPS.values(), *THREADS.values()], ids=[*LOOPS, *THREADS])
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


@pytest.mark.parametrize("kind", [*LOOPS.values(), *THREADS.values()], ids=[*LOOPS, *THREADS])
def test_S15_the_audit_trail_says_whose_request_it_was(kind: type[SQLiteSite], tmp_path: Path) -> None:
    """Who ends the sessions of somebody else, and from where; whoever signs in is nobody else, whoever was before."""
    policy = Policy(audit_keep_for=timedelta(days=30))
    site = kind(tmp_path, policy=policy)
    try:
        browser = site.browser()
        site.browser()("POST", "/sign-in/ann")
        for path in ("/sign-in/sue", "/end/ann", "/sign-in/tom", "/sign-out"):
            assert browser("POST", path).status == 200
        with Sessions(SQLiteStore(site.path), policy=policy) as elsewhere:
            entries = AuditTrail(elsewhere).entries().entries[::-1]
        assert [(entry.action, entry.user_id, entry.actor) for entry in entries] == [
            ("created", "ann", None),
            ("created", "sue", None),
            ("revoked", "ann", "sue"),
            ("created", "tom", None),
            ("revoked", "sue", None),
            ("revoked", "tom", None),
        ]
        assert len({entry.address for entry in entries}) == 1
        assert entries[0].address is not None
    finally:
        site.close()

"""A site on a store in memory, in one process or several, and a browser's side of registering and renewing."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from coatcheck import AsyncSessions, Event, Policy
from coatcheck.testing import AsyncFaultyStore, AsyncMemoryStore, ManualClock
from tests.dbsc.device import Device, challenge_of
from tests.dbsc.site import KEY, application
from tests.web.browser import COOKIE, Answer, Browser, started

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from coatcheck.asgi.types import App

BOUND = f"{COOKIE}-b"
REGISTER, REFRESH = "/session/device/register", "/session/device/refresh"
OWN = [("sec-fetch-site", "same-origin")]
LINK = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
LATER = timedelta(seconds=11)
"""Longer than a browser takes to register."""


@dataclass
class Site:
    """A running site, or several processes of it."""

    store: AsyncFaultyStore
    clock: ManualClock
    apps: list[App] = field(default_factory=list)
    sessions: list[AsyncSessions] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def browser(self, **options: Any) -> Browser:
        return Browser(self.apps[0], **options)

    def told(self) -> list[tuple[str, str]]:
        return [(event.kind, event.detail) for event in self.events]

    async def signed_in(self) -> tuple[Browser, str]:
        """Return a browser, and what it was offered."""
        browser = self.browser()
        answer = await browser.post("/sign-in")
        offer = answer.header("secure-session-registration")
        assert offer is not None
        return browser, offer

    async def bound(self, device: Device) -> tuple[Browser, str]:
        """Return a browser whose session is bound for long enough, and the session's id."""
        browser, offer = await self.signed_in()
        answer = await register(browser, device.registration(offer))
        assert answer.status == 200, answer.body
        self.clock.advance(LATER)
        session_id: str = answer.json()["session_identifier"]
        return browser, session_id


@asynccontextmanager
async def site(processes: int = 1, policy: Policy | None = None, **settings: Any) -> AsyncGenerator[Site]:
    clock = ManualClock()
    it = Site(AsyncFaultyStore(AsyncMemoryStore(clock=clock)), clock)
    for _ in range(processes):
        sessions = AsyncSessions(it.store, keys=[KEY], policy=policy, clock=clock, on_event=it.events.append)
        it.sessions.append(sessions)
        it.apps.append(application(sessions, **settings))
    async with started(it.apps[0]):
        yield it
    for sessions in it.sessions[1:]:
        await sessions.aclose()


async def register(browser: Browser, proof: str, *more: tuple[str, str]) -> Answer:
    return await browser.post(REGISTER, headers=[*OWN, ("secure-session-response", proof), *more])


async def refresh(browser: Browser, session_id: str | None, proof: str | None = None) -> Answer:
    lines = [*OWN]
    if session_id is not None:
        lines.append(("sec-secure-session-id", session_id))
    if proof is not None:
        lines.append(("secure-session-response", proof))
    return await browser.post(REFRESH, headers=lines)


async def challenge(browser: Browser, session_id: str) -> str:
    answer = await refresh(browser, session_id)
    assert answer.status == 403
    return challenge_of(answer.header("secure-session-challenge") or "")

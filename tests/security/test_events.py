"""Events: each scenario is told once, without secrets; a change of client is a signal (S15, S16)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, get_args

import pytest
from starlette.responses import Response
from starlette.routing import Route

from coatcheck import Policy
from coatcheck.asgi import context_of
from coatcheck.core.events import EventKind
from coatcheck.starlette import require_session
from tests.web.application import KEY, site

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from starlette.requests import Request

    from coatcheck import Event
    from tests.web.application import Site

pytestmark = pytest.mark.anyio

Told = Sequence[tuple[str, str | None, str]]
MONTH = timedelta(days=31)
DUE = timedelta(days=6)
MINUTE = timedelta(minutes=1)
POLICY = Policy(max_sessions=3, rotate_after=DUE)


async def signing_in(it: Site) -> Told:
    await it.signed_in()
    return [("created", "alice", "")]


async def visiting(it: Site) -> Told:
    await it.browser().post("/visit", {"a": 1})
    return [("created", None, "")]


async def signing_in_after_a_visit(it: Site) -> Told:
    browser = it.browser()
    await browser.post("/visit", {"a": 1})
    await browser.post("/sign-in", {"user": "alice"})
    return [("created", None, ""), ("created", "alice", ""), ("revoked", None, "replaced")]


async def rotating(it: Site) -> Told:
    await (await it.signed_in()).post("/rotate")
    return [("created", "alice", ""), ("rotated", "alice", "")]


async def proving_it_again(it: Site) -> Told:
    await (await it.signed_in()).post("/rotate?reauthenticated")
    return [("created", "alice", ""), ("rotated", "alice", "reauthenticated")]


async def presenting_a_retired_token(it: Site) -> Told:
    browser = await it.signed_in()
    old = dict(browser.cookies)
    it.clock.advance(DUE)
    for cookies in (old, browser.cookies, old):  # the last one in its grace still
        await it.browser(cookies=dict(cookies)).get("/me")
    it.clock.advance(MINUTE)
    for _ in range(3):
        await it.browser(cookies=dict(old)).get("/me")
    return [("created", "alice", ""), ("rotated", "alice", "periodic"), ("reused", "alice", "ended")]


async def signing_out(it: Site) -> Told:
    browser = await it.signed_in()
    copy = it.browser(cookies=dict(browser.cookies))
    await browser.post("/sign-out")
    await copy.post("/sign-out")  # ends nothing, tells nothing
    return [("created", "alice", ""), ("revoked", "alice", "")]


async def ending_others(it: Site) -> Told:
    browser = await it.signed_in()
    await it.signed_in()
    await browser.post("/alone")
    return [("created", "alice", "")] * 2 + [("rotated", "alice", ""), ("revoked", "alice", "")]


async def closing_an_account(it: Site) -> Told:
    for _ in range(3):
        await it.signed_in()
    await it.sessions.revoke_user("alice")
    return [("created", "alice", "")] * 3 + [("revoked", "alice", "")] * 3


async def ending_everyone(it: Site) -> Told:
    await it.signed_in()
    await it.signed_in("bob")
    await it.sessions.revoke_everyone()
    return [("created", "alice", ""), ("created", "bob", ""), ("revoked", None, "everyone")]


async def too_many_devices(it: Site) -> Told:
    for _ in range(4):
        await it.signed_in()
    return [("created", "alice", "")] * 4 + [("evicted", "alice", "")]


async def expiring(it: Site) -> Told:
    browser = await it.signed_in()
    it.clock.advance(MONTH)
    await browser.get("/me")
    await it.sessions.sweep()
    await it.sessions.sweep()
    return [("created", "alice", ""), ("expired", "alice", "")]


async def another_browser(it: Site) -> Told:
    browser = await it.signed_in()
    browser.user_agent = "Thief/1.0"
    for _ in range(3):
        await browser.get("/me")
    return [("created", "alice", ""), ("client_changed", "alice", "192.0.2.1")]


async def another_network(it: Site) -> Told:
    browser = await it.signed_in()
    browser.address = ("198.51.100.7", 1)
    for _ in range(3):
        await browser.get("/me")
    return [("created", "alice", ""), ("client_changed", "alice", "198.51.100.7")]


async def nothing_worth_telling(it: Site) -> Told:
    """What strangers send, what fails, and what is only looked at."""
    browser = it.browser()
    browser.token = "A" * 43
    for path in ("/me", "/private", "/plain"):
        await browser.get(path)
    for path in ("/rotate", "/alone", "/sign-out"):
        await browser.post(path, {})
    await it.browser().request("POST", "/sign-in", headers=[("sec-fetch-site", "cross-site")])
    it.store.fail("create")
    await it.browser().post("/sign-in", {"user": "alice"})
    it.store.heal()
    alice = await it.signed_in()
    for _ in range(3):
        await alice.get("/me")
        await alice.post("/save", {"a": 1})
    return [("created", "alice", "")]


SCENARIOS = [
    signing_in,
    visiting,
    signing_in_after_a_visit,
    rotating,
    proving_it_again,
    presenting_a_retired_token,
    signing_out,
    ending_others,
    closing_an_account,
    ending_everyone,
    too_many_devices,
    expiring,
    another_browser,
    another_network,
    nothing_worth_telling,
]


class Keeping(logging.Handler):
    """Keeps log records."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_S15_each_scenario_is_told_once(tmp_path: Path, scenario: Callable[[Site], Awaitable[Told]]) -> None:
    """Exactly the documented events, to the hook and to the log alike."""
    records: list[logging.LogRecord] = []
    handler = Keeping(records)
    log = logging.getLogger("coatcheck")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        async with site(tmp_path, policy=POLICY) as it:
            expected = await scenario(it)
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
    told = [(event.kind, event.user_id, event.detail) for event in it.events]
    assert sorted(told, key=str) == sorted(expected, key=str)
    logged = [vars(record) for record in records if record.levelno == logging.INFO]
    assert [record["msg"] % record["args"] for record in logged] == [f"coatcheck.{event.kind}" for event in it.events]
    assert [record["session_id"] for record in logged] == [event.session_id for event in it.events]


async def test_S15_every_documented_kind_has_a_scenario(tmp_path: Path) -> None:
    """Between them the scenarios tell all there is to tell."""
    kinds = set()
    for number, scenario in enumerate(SCENARIOS):
        async with site(tmp_path, name=f"{number}.db", policy=POLICY) as it:
            await scenario(it)
            kinds |= {event.kind for event in it.events}
    told_of_devices = {"bound", "unproven", "new_device"}  # by tests/dbsc and tests/audit
    assert kinds | told_of_devices == set(get_args(EventKind))


async def test_S15_events_name_the_session_and_the_moment_and_no_secret(tmp_path: Path) -> None:
    """The public id leads from an event to the session; the token is nowhere."""
    async with site(tmp_path, keys=[KEY]) as it:
        browser = await it.signed_in()
        session_id = (await browser.get("/me")).json()["id"]
        tokens = [browser.token]
        it.clock.advance(timedelta(minutes=1))
        await browser.post("/rotate")
        tokens.append(browser.token)
        await browser.post("/sign-out")
        assert [event.session_id for event in it.events] == [session_id] * 3
        assert it.events[1].at - it.events[0].at == timedelta(minutes=1)
        text = repr(it.events) + repr([asdict(event) for event in it.events])
        for token in tokens:
            assert token.partition(".")[0] not in text
            assert token.partition(".")[2] not in text


async def test_S15_a_hook_that_fails_breaks_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The event has happened whether or not somebody could bear to hear of it."""

    def fail(event: Event) -> None:
        raise RuntimeError(event.kind)

    async with site(tmp_path, on_event=fail) as it:
        browser = await it.signed_in()
        assert (await browser.post("/rotate")).status == 200
        assert await it.user_of(browser) == "alice"
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "coatcheck.hook_failed"
    ] * 2


async def test_S16_another_browser_is_an_event_and_no_lock_out(tmp_path: Path) -> None:
    """The session goes on, for the first request of the new client and for all that follow."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        assert await it.user_of(browser) == "alice"  # cached: the change must be seen in memory as well
        browser.user_agent, browser.address = "Thief/1.0", ("198.51.100.7", 1)
        answer = await browser.get("/private")
        assert answer.status == 200
        assert not answer.all("set-cookie")
        assert [event.kind for event in it.events] == ["created", "client_changed"]
        shown = (await browser.get("/me")).json()
        assert (shown["agent"], shown["ip"]) == ("Thief/1.0", "198.51.100.7")


async def test_S16_many_requests_of_a_new_client_are_one_event(tmp_path: Path) -> None:
    """Forty requests at once on two workers: one of them has noted the change."""
    async with site(tmp_path) as it, site(tmp_path, clock=it.clock) as other:
        browser = await it.signed_in()
        tabs = [worker.browser(cookies=dict(browser.cookies), user_agent="New/2.0") for worker in (it, other) * 20]
        answers = await asyncio.gather(*(tab.get("/me") for tab in tabs))
        assert {answer.json()["user"] for answer in answers} == {"alice"}
        assert [event.kind for event in it.events + other.events].count("client_changed") == 1


@pytest.mark.parametrize(
    ("first", "then", "changed"),
    [
        ("192.0.2.1", "192.0.2.2", True),
        ("2001:db8::1", "2001:db8::ffff:1", False),
        ("2001:db8::1", "2001:db8:0:1::1", True),
        ("192.0.2.1", "::ffff:192.0.2.1", False),
        ("2001:DB8::1", "2001:db8::1%eth0", False),
        ("192.0.2.1", None, False),
        (None, "192.0.2.1", True),
    ],
)
async def test_S14_S16_a_client_has_moved_when_its_network_is_another(
    tmp_path: Path, first: str | None, then: str | None, *, changed: bool
) -> None:
    """An IPv6 client changes addresses within its /64 all day; other spellings of one address are no change."""
    async with site(tmp_path) as it:
        browser = await it.signed_in(address=None if first is None else (first, 1))
        browser.address = None if then is None else (then, 1)
        assert await it.user_of(browser) == "alice"
        assert ("client_changed" in [event.kind for event in it.events]) == changed


async def wary(request: Request) -> Response:
    """Let a changed client prove again who it is."""
    session = await require_session(request)
    if session.user_agent != context_of(request.scope).user_agent():
        return Response(status_code=401)
    return Response("welcome")


async def test_S16_the_policy_is_the_applications(tmp_path: Path) -> None:
    """A hook can end the session that has changed hands; without one nothing happens to it."""
    ending: list[str] = []

    def end_it(event: Event) -> None:
        if event.kind == "client_changed" and event.session_id is not None:
            ending.append(event.session_id)

    async with site(tmp_path, on_event=end_it, routes=[Route("/wary", wary)]) as it:
        browser = await it.signed_in()
        assert (await browser.get("/wary")).status == 200
        browser.user_agent = "Thief/1.0"
        assert (await browser.get("/wary")).status == 401
        for session_id in ending:
            await it.sessions.revoke_any(session_id)
        assert len(ending) == 1
        assert await it.user_of(browser) is None

"""N4, I5: however many wait for one token, the provider is asked once; and whoever gives up harms nobody."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event
from typing import TYPE_CHECKING

import pytest

from coatcheck import AsyncProviderSessions, NotSignedIn, ProviderSessions, ProviderSettings, Session, Unavailable
from coatcheck.core.identities import ProviderAnswer
from coatcheck.core.times import from_micros
from coatcheck.testing import AsyncFaultyStore, AsyncMemoryStore, ManualClock, MemoryStore
from tests.providers.sessions.bench import AWAY, AsyncScripted, Scripted, a_record

if TYPE_CHECKING:
    from coatcheck.core.answers import Validated

pytestmark = pytest.mark.anyio

MANY = 500
DEADLINE = 60.0


def answer(clock: ManualClock, *set_cookies: bytes) -> ProviderAnswer:
    record = a_record("s1", "ada", from_micros(clock.now() // 1000), timedelta(days=7))
    return ProviderAnswer(record, set_cookies=set_cookies)


class Held:
    """A provider that answers when it is let, and sessions in front of it."""

    def __init__(self, settings: ProviderSettings | None = None) -> None:
        self.clock = ManualClock()
        self.provider = AsyncScripted()
        self.provider.answers[b"token"] = answer(self.clock, b"sid=1")
        self.reached = asyncio.Event()
        self.let = asyncio.Event()
        self.provider.on_ask = self._wait
        self.store = AsyncFaultyStore(AsyncMemoryStore(clock=self.clock))
        self.sessions = AsyncProviderSessions(self.provider, self.store, settings=settings, clock=self.clock)

    async def _wait(self) -> None:
        self.reached.set()
        await self.let.wait()


async def settled(tasks: list[asyncio.Task[Validated]]) -> list[Validated | BaseException]:
    async with asyncio.timeout(DEADLINE):
        return await asyncio.gather(*tasks, return_exceptions=True)


async def test_N4_I5_many_parallel_misses_ask_the_provider_once() -> None:
    """And its Set-Cookie goes to the one who has asked."""
    it = Held()
    tasks = [asyncio.create_task(it.sessions.ask(b"token")) for _ in range(MANY)]
    await it.reached.wait()
    it.let.set()
    answers = await settled(tasks)
    assert it.provider.asked == [b"token"]
    assert all(not isinstance(one, BaseException) and isinstance(one.answer, Session) for one in answers)
    assert [one.set_cookies for one in answers if not isinstance(one, BaseException) and one.set_cookies] == [
        (b"sid=1",)
    ]


async def test_set_cookie_goes_to_nobody_who_waited_for_it_where_nothing_is_kept() -> None:
    """The first waits for the second question, which the other has asked."""
    it = Held(ProviderSettings(revalidate_after=timedelta(0)))

    async def slowly() -> None:
        it.reached.set()
        await it.let.wait()
        await asyncio.sleep(0.001)

    it.provider.on_ask = slowly
    tasks = [asyncio.create_task(it.sessions.ask(b"token")) for _ in range(MANY)]
    await it.reached.wait()
    it.let.set()
    answers = [one for one in await settled(tasks) if not isinstance(one, BaseException)]
    assert len(answers) == MANY
    assert sum(bool(one.set_cookies) for one in answers) == len(it.provider.asked) == 2


async def test_I5_many_parallel_refusals_ask_the_provider_once() -> None:
    """Those who waited find what it has refused in the memory of refusals."""
    it = Held()
    it.provider.answers.clear()
    tasks = [asyncio.create_task(it.sessions.ask(b"token")) for _ in range(MANY)]
    await it.reached.wait()
    it.let.set()
    assert {one.answer for one in await settled(tasks) if not isinstance(one, BaseException)} == {NotSignedIn.UNKNOWN}
    assert it.provider.asked == [b"token"]


async def test_I4_many_parallel_misses_share_one_outage() -> None:
    it = Held()
    it.provider.answers[b"token"] = AWAY
    tasks = [asyncio.create_task(it.sessions.ask(b"token")) for _ in range(MANY)]
    await it.reached.wait()
    it.let.set()
    answers = await settled(tasks)
    assert all(isinstance(one, Unavailable) and one.retry_after == 7 for one in answers)
    assert it.provider.asked == [b"token"]


async def test_I5_who_gives_up_while_others_wait_for_their_question_harms_nobody() -> None:
    it = Held()
    leader = asyncio.create_task(it.sessions.ask(b"token"))
    await it.reached.wait()
    followers = [asyncio.create_task(it.sessions.ask(b"token")) for _ in range(10)]
    await asyncio.sleep(0)
    leader.cancel()
    it.let.set()
    answers = await settled(followers)
    assert all(not isinstance(one, BaseException) and one.answer for one in answers)
    assert len(it.provider.asked) == 2
    assert leader.cancelled()


async def test_a_sign_out_that_is_cancelled_makes_every_worker_ask_again() -> None:
    """Whether the provider has ended it by then, nobody knows."""
    it = Held()
    it.let.set()
    other = AsyncProviderSessions(it.provider, it.store, clock=it.clock)
    assert await it.sessions.get(b"token")
    assert await other.get(b"token")
    reached = asyncio.Event()

    async def hang() -> None:
        reached.set()
        await asyncio.Event().wait()

    it.provider.on_sign_out = hang
    task = asyncio.create_task(it.sessions.sign_out(b"token"))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    it.clock.advance(timedelta(seconds=2))
    assert await other.get(b"token") is NotSignedIn.UNKNOWN


async def test_E4_who_waits_without_the_log_may_find_what_was_read_with_it() -> None:
    """The log comes back in the middle: each kind of read may be waited for by the other."""
    it = Held()
    it.store.fail("poll")
    tasks = [asyncio.create_task(it.sessions.ask(b"token")) for _ in range(3)]
    await it.reached.wait()
    it.store.heal()
    it.clock.advance(timedelta(seconds=2))
    tasks += [asyncio.create_task(it.sessions.ask(b"token")) for _ in range(3)]
    await asyncio.sleep(0)
    it.let.set()
    assert all(not isinstance(one, BaseException) and one.answer for one in await settled(tasks))


async def test_E4_while_one_tries_a_log_that_hangs_the_others_do_not_wait_for_it() -> None:
    it = Held()
    it.let.set()
    it.store.fail("poll")
    assert await it.sessions.get(b"token")
    it.store.heal()
    it.clock.advance(timedelta(minutes=1))
    gate = it.store.hold("poll")
    trying = asyncio.create_task(it.sessions.get(b"token"))
    await asyncio.wait_for(gate.reached(), DEADLINE)
    async with asyncio.timeout(DEADLINE):
        assert await it.sessions.get(b"token")
    assert not trying.done()
    gate.release()
    assert await trying


def test_N4_I5_many_threads_ask_the_provider_once() -> None:
    clock, reached, let = ManualClock(), Event(), Event()
    provider = Scripted()
    provider.answers[b"token"] = answer(clock)

    def wait() -> None:
        reached.set()
        assert let.wait(DEADLINE)

    provider.on_ask = wait
    sessions = ProviderSessions(provider, MemoryStore(clock=clock), clock=clock)
    barrier = Barrier(33)

    def ask() -> Session | NotSignedIn:
        barrier.wait(DEADLINE)
        return sessions.get(b"token")

    with ThreadPoolExecutor(32) as pool:
        answers = [pool.submit(ask) for _ in range(32)]
        barrier.wait(DEADLINE)
        assert reached.wait(DEADLINE)
        let.set()
        assert all(one.result(DEADLINE) for one in answers)
    assert provider.asked == [b"token"]

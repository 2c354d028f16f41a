"""What the stores of a fleet are measured by: the same cases for each."""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from benchmarks.measure import Timing, awaits, calls, insist, interleaved, timing
from benchmarks.population import DAY, Rows
from benchmarks.report import Goal, Report, millis, timed
from benchmarks.scale import scaled
from benchmarks.scene import CACHE, hash_of, scene, sign_in, token_of
from benchmarks.serving import serving
from benchmarks.site import CROWD, MANY, few, many
from coatcheck import AsyncSessions, CacheSettings, Policy, Sessions
from coatcheck.stores.urls import async_store_from_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from benchmarks.measure import Batch
    from benchmarks.serving import Latencies
    from benchmarks.site import Site
    from coatcheck.core.coherence import LogPage
    from coatcheck.stores.base import Touch

T = TypeVar("T")

MISSES = CacheSettings(max_entries=2, lease=timedelta(minutes=1))
"""A cache that keeps what was read, as every cache does, and has never room for the next one."""

_LOOKS = 100
_ROUNDS = 100
_MISS = 1.5
_FAR = 1.5
_HIT = 1.1
_WRITES = 50
_WRITE_ROUNDS = 15
_LIMIT = 5
_ENTRIES = 10_000
_POLL_ROUNDS = 100
_FULL_ROUNDS = 15
_END_ROUNDS = 5
_EXPIRED = 100_000
_ACTIVE = 100_000
_AT_ONCE = 8
_CALM_SECONDS = 5.0
_ANNUL = 10
_PATIENCE = 120.0
_TIMEOUT = 5.0
"""What a statement may take unless somebody sets it otherwise."""

_numbers = itertools.count(10 * MANY)
"""The numbers of sessions that come later than those of the sites, so that no two are alike."""


def _new(count: int) -> int:
    """Return the first of so many fresh numbers."""
    first = next(_numbers)
    for _ in range(count - 1):
        next(_numbers)
    return first


def _drawn(among: int) -> list[int]:
    return random.Random(2).choices(range(among), k=scaled(_LOOKS, least=4))  # noqa: S311 - no secret


async def misses(site: Site) -> list[Report]:
    """Measure a session that memory does not have, with asyncio and with threads."""
    numbers = _drawn(many())
    hashes, tokens = [hash_of(number) for number in numbers], [token_of(number) for number in numbers]
    bare = site.bare
    async with AsyncExitStack() as stack:
        sessions = await stack.enter_async_context(AsyncSessions(site.url, cache=MISSES))
        threads = stack.enter_context(Sessions(site.url, cache=MISSES))
        for token in tokens:
            insist(await sessions.get(token) and threads.get(token))
        tasks: dict[str, Batch] = {
            "bare statement": awaits(bare.read, hashes),
            **{name: awaits(read, hashes) for name, read in bare.others.items()},
            "`store.read`": awaits(sessions.store.read, hashes),
            "`get`, a miss": awaits(sessions.get, tokens),
        }
        others: dict[str, Batch] = {
            "bare statement ": calls(bare.read_sync, hashes),
            **{name + " ": calls(read, hashes) for name, read in bare.others_sync.items()},
            "`store.read` ": calls(threads.store.read, hashes),
            "`get`, a miss ": calls(threads.get, tokens),
        }
        timings = await interleaved({**tasks, **others}, rounds=scaled(_ROUNDS))
    return [
        _missed(f"A miss on {site.name}, asyncio", {name: timings[name] for name in tasks}),
        _missed(f"A miss on {site.name}, threads", {name.strip(): timings[name] for name in others}),
    ]


def _missed(title: str, timings: dict[str, Timing]) -> Report:
    report = timed(title, timings)
    ratio = timings["`get`, a miss"].best / timings["bare statement"].best
    report.goals.append(Goal("`get` on a miss over the bare statement", ratio, _MISS))
    report.notes.append(f"{many():,} sessions, drawn by lot. The bare statement reads the same columns.")
    return report


async def sizes(site: Site) -> Report:
    """Measure whether a large table makes a look into it slower."""
    async with AsyncExitStack() as stack:
        cases: dict[str, Batch] = {}
        for url, count in ((site.few_url, few()), (site.url, many())):
            store = async_store_from_url(url)
            stack.push_async_callback(store.aclose)
            await store.open()
            await store.poll(None)
            cases[f"{count:,} sessions"] = awaits(store.read, [hash_of(number) for number in _drawn(count)])
        timings = await interleaved(cases, rounds=scaled(_ROUNDS))
    report = timed(f"`store.read` on {site.name}, by token", timings)
    small, large = (timing.best for timing in timings.values())
    report.goals.append(Goal(f"{many():,} sessions over {few():,}", large / small, _FAR))
    return report


async def hits(site: Site) -> Report:
    """Measure a session that memory has: the store's kind must make no difference."""
    tokens = [token_of(number) for number in _drawn(many())]
    async with scene(lease_only=True, users=len(tokens)) as memory, AsyncSessions(site.url, cache=CACHE) as sessions:
        for token in tokens:
            insist(await sessions.get(token))
        cases: dict[str, Batch] = {
            "`lookup`, memory store": calls(memory.sessions.lookup, memory.tokens),
            f"`lookup`, {site.name}": calls(sessions.lookup, tokens),
            "`get`, memory store": awaits(memory.sessions.get, memory.tokens),
            f"`get`, {site.name}": awaits(sessions.get, tokens),
        }
        timings = await interleaved(cases, rounds=scaled(_ROUNDS))
    report = timed(f"A hit in memory, where {site.name} is the store", timings)
    best = {name: timing.best for name, timing in timings.items()}
    for verb in ("`lookup`", "`get`"):
        ratio = best[f"{verb}, {site.name}"] / best[f"{verb}, memory store"]
        report.goals.append(Goal(f"{verb} over the memory store's", ratio, _HIT))
    return report


async def polls(site: Site) -> Report:
    """Measure what the log costs: a poll that brings nothing new, and the first one of a new worker."""
    hashes = [hash_of(number) for number in _drawn(few())]
    store = async_store_from_url(site.few_url)
    await store.open()
    try:
        timings = await interleaved(
            {
                "bare statement that reads a session": awaits(site.bare.read, hashes),
                "poll, nothing new in an empty log": await _resumed(store.poll),
            },
            rounds=scaled(_POLL_ROUNDS),
        )
        entries = scaled(_ENTRIES, least=20)
        await _at_once(store.invalidate_user, [f"user-{number}" for number in range(entries)])
        full = await interleaved(
            {
                f"poll, nothing new in a log of {entries:,} entries": await _resumed(store.poll),
                f"poll, a new worker's, which brings {entries:,}": awaits(store.poll, [None]),
            },
            rounds=scaled(_FULL_ROUNDS),
        )
    finally:
        await store.aclose()
    report = timed(f"Polls of {site.name}", {**timings, **full})
    report.notes.append("A worker polls once in a lease, and when it is woken.")
    return report


async def _resumed(poll: Callable[[Any], Awaitable[LogPage]]) -> Batch:
    """Return a case that polls from where the log ends."""
    page = await poll(None)
    return awaits(poll, [page.cursor] * scaled(_LOOKS // 5, least=2))


async def _at_once(function: Callable[[T], Awaitable[object]], arguments: Sequence[T]) -> None:
    """Await a function with each argument, a few at a time."""
    waiting = iter(arguments)

    async def some() -> None:
        for argument in waiting:
            await function(argument)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(some())


async def creates(site: Site) -> Report:
    """Measure sign-ins, with a limit per user and without one."""
    writes = scaled(_WRITES, least=2)
    async with AsyncExitStack() as stack:
        free = await stack.enter_async_context(AsyncSessions(site.url))
        limited = await stack.enter_async_context(AsyncSessions(site.url, policy=Policy(max_sessions=_LIMIT)))
        names = itertools.count()

        def fresh() -> list[str]:
            return [f"fresh-{next(names)}" for _ in range(writes)]

        async def bare() -> float:
            first = _new(writes)
            return await awaits(_true(site.bare.create), range(first, first + writes))()

        async def signed_in(sessions: AsyncSessions) -> float:
            return await awaits(partial(sign_in, sessions), fresh())()

        async def together() -> float:
            users = fresh()
            with timing(writes) as took:
                await _at_once(partial(sign_in, free), users)
            return took.each

        async def evicting() -> float:
            return await awaits(partial(sign_in, limited), ["full"] * writes)()

        for _ in range(_LIMIT):
            await sign_in(limited, "full")
        cases: dict[str, Batch] = {
            "bare insert": bare,
            "`create`, no limit": lambda: signed_in(free),
            f"`create`, no limit, {_AT_ONCE} at a time": together,
            f"`create`, limit {_LIMIT}, not reached": lambda: signed_in(limited),
            f"`create`, limit {_LIMIT}, evicts one": evicting,
        }
        timings = await interleaved(cases, rounds=scaled(_WRITE_ROUNDS))
    report = timed(f"Sign-ins on {site.name}", timings)
    report.columns = ("case", "µs", "ratio", "noise", "a second")
    for index, timing_ in enumerate(timings.values()):
        report.rows[index] += (f"{1e9 / timing_.best:,.0f}",)
    seconds = site.filled / 1e9
    report.notes.append(
        f"In bulk, {many():,} sessions took {seconds:.1f} s: {many() / seconds:,.0f} a second. The server waits for "
        "no disk; on one that does, each commit adds that."
    )
    return report


def _true(function: Callable[[int], Awaitable[object]]) -> Callable[[int], Awaitable[object]]:
    async def done(number: int) -> object:
        await function(number)
        return True

    return done


class _Flushes:
    """A store's `touch`, watched."""

    def __init__(self, touch: Callable[[Sequence[Touch]], Awaitable[set[str]]]) -> None:
        self._touch = touch
        self.took: list[float] = []
        self.confirmed = 0

    async def __call__(self, touches: Sequence[Touch]) -> set[str]:
        with timing(1) as took:
            found = await self._touch(touches)
        self.took.append(took.each)
        self.confirmed += len(found)
        return found


async def ends(site: Site) -> Report:
    """Measure signing out of a thousand sessions at once, and of all there are."""
    crowd = scaled(CROWD, least=5)
    async with AsyncExitStack() as stack:
        sessions = await stack.enter_async_context(AsyncSessions(site.url))
        users = itertools.count()

        async def gathered() -> Rows:
            rows = Rows(_new(crowd), crowd, f"crowd-{next(users)}")
            await site.fill(site.url, rows)
            return rows

        async def bare() -> float:
            rows = await gathered()
            with timing(1) as took:
                insist(await site.bare.end(rows))
            await sessions.revoke_user(str(rows.user))  # what the bare statement may have left
            return took.each

        async def ours() -> float:
            rows = await gathered()
            with timing(1) as took:
                ended = await sessions.revoke_user(str(rows.user))
            insist(ended == crowd)
            return took.each

        timings = await interleaved(
            {f"bare delete of a user's {crowd:,} sessions": bare, f"`revoke_user` with {crowd:,} sessions": ours},
            rounds=scaled(_END_ROUNDS),
        )
    return _in_millis(f"Ends on {site.name}", timings)


def _in_millis(title: str, timings: dict[str, Timing]) -> Report:
    report = timed(title, timings)
    report.columns = ("case", "ms", "ratio", "noise")
    report.rows = [(name, millis(timings[name].best), ratio, noise) for (name, _, ratio, noise) in report.rows]
    return report


async def annulments(site: Site) -> Report:
    """Measure the end of all sessions there are, of few and of many."""
    timings: dict[str, Timing] = {}
    async with AsyncExitStack() as stack:
        cases: dict[str, Batch] = {}
        for url, count in ((site.few_url, few()), (site.url, many())):
            sessions = await stack.enter_async_context(AsyncSessions(url))
            cases[f"`revoke_everyone`, the first of {count:,}"] = _everyone(sessions)
        # The first of each ends them all, so nothing may warm up; those that follow find none.
        for name, case in cases.items():
            took = await case()
            timings[name] = Timing(took, took)
    report = _in_millis(f"The end of all sessions on {site.name}", timings)
    small, large = (timing.best for timing in timings.values())
    report.goals.append(Goal(f"{many():,} sessions over {few():,}", large / small, _ANNUL))
    return report


def _everyone(sessions: AsyncSessions) -> Batch:
    async def batch() -> float:
        with timing(1) as took:
            insist(await sessions.revoke_everyone())
        return took.each

    return batch


async def touches(site: Site) -> Report:
    """Measure the flush of very many last-seen times."""
    active = scaled(_ACTIVE, least=20)
    first = _new(active)
    await site.fill(site.url, Rows(first, active, seen=DAY // 24))
    store = async_store_from_url(site.url, timeout=_PATIENCE)
    sessions = AsyncSessions(store, cache=CacheSettings(lease=timedelta(minutes=1)), flush_every=timedelta(hours=1))
    flushes = _Flushes(sessions.store.touch)
    sessions.store.touch = flushes  # type: ignore[method-assign]
    async with sessions:
        await _at_once(sessions.get, [token_of(number) for number in range(first, first + active)])
        longest = asyncio.create_task(_longest_pause())
        await asyncio.sleep(0)
    # Closing the sessions has flushed them.
    longest.cancel()
    insist(flushes.confirmed == active)
    report = Report(f"A flush of {active:,} touches on {site.name}", ("what", "value"))
    report.rows = [
        ("calls of the store", f"{len(flushes.took)}"),
        ("rows it has confirmed", f"{flushes.confirmed:,}"),
        ("all of it", f"{millis(sum(flushes.took))} ms"),
        ("each of them", f"{sum(flushes.took) / active / 1000:.1f} µs"),
        ("the longest the event loop stood still", f"{millis(await _told(longest))} ms"),
    ]
    report.goals.append(Goal("Calls of the store in a flush", len(flushes.took), 1, "calls"))
    report.goals.append(Goal("A flush, which fails after the store's timeout", sum(flushes.took) / 1e9, _TIMEOUT, "s"))
    return report


_pauses: list[float] = []


async def _longest_pause() -> None:
    """Note how long the event loop takes from one turn to the next."""
    _pauses.clear()
    while True:
        with timing(1) as took:
            await asyncio.sleep(0)
        _pauses.append(took.each)


async def _told(task: asyncio.Task[None]) -> float:
    await asyncio.wait([task])
    return max(_pauses)


class _Phase(NamedTuple):
    name: str
    latencies: Sequence[Latencies]


async def sweeps(site: Site) -> Report:
    """Measure what two processes that serve notice of a hundred thousand rows being removed."""
    expired = scaled(_EXPIRED, least=20)
    await site.fill(site.url, Rows(_new(expired), expired, idle=-60))
    async with AsyncExitStack() as stack:
        sessions = await stack.enter_async_context(AsyncSessions(site.url))
        workers = [await stack.enter_async_context(serving(url=site.url, among=many())) for _ in range(2)]
        for worker in workers:
            await worker.ask("measure")
        await asyncio.sleep(_CALM_SECONDS * min(1.0, expired / _EXPIRED))
        calm = [await worker.stopped() for worker in workers]
        for worker in workers:
            await worker.ask("measure")
        with timing(1) as took:
            removed = await sessions.sweep()
        busy = [await worker.stopped() for worker in workers]
    insist(removed == expired)
    report = Report(
        f"`get` on a miss in two processes, while {site.name} is swept", ("when", "p50 ms", "p99 ms", "max ms", "reads")
    )
    for phase in (_Phase("before", calm), _Phase(f"while {expired:,} rows are removed", busy)):
        report.rows.append((phase.name, *_summed(phase.latencies)))
    seconds = took.each / 1e9
    report.notes.append(
        f"The sweep took {seconds:.2f} s, {removed / seconds:,.0f} rows a second in batches of 1,000. "
        "The worse of the two processes is shown."
    )
    return report


def _summed(latencies: Sequence[Latencies]) -> tuple[str, ...]:
    worst = [max(getattr(each, name) for each in latencies) for name in ("p50", "p99", "longest")]
    return (*map(millis, worst), f"{sum(each.reads for each in latencies):,}")


async def everything(site: Site) -> list[Report]:
    """Measure all of it, in an order in which nothing spoils what follows."""
    reports = await misses(site)
    for part in (sizes, hits, polls, creates, ends, touches, sweeps, annulments):
        print(f"{site.name}: {part.__name__}", file=sys.stderr)
        reports.append(await part(site))
    return reports

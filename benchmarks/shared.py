"""The tier between the processes: what it saves a worker that knows nothing yet, and what it costs when it is away."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import redis
from redis.asyncio import Redis

from benchmarks.fleet import MISSES
from benchmarks.measure import awaits, calls, insist, interleaved
from benchmarks.report import Goal, Report, timed
from benchmarks.scale import scaled
from benchmarks.scene import sign_in
from benchmarks.servers import postgresql, valkey_server
from benchmarks.serving import KEYS, serving
from coatcheck import AsyncSessions, NotSignedIn, Sessions, SharedCacheSettings
from coatcheck.core.local_cache import key_of
from coatcheck.core.sealing import Seals
from coatcheck.core.session import SEALED, copy_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Batch, Timing
    from coatcheck.core.health import PartHealth
    from coatcheck.core.session import Session
    from tests.servers.valkey import Valkey

_SESSIONS = 10_000
_WORKERS = 4
_LOOKS = 100
_ROUNDS = 100
_OVER_GET = 2.0
_OPEN_COST = 1.05
_PREFIX = b"coatcheck:cache:"
_DEADLINE = 60.0
_PAUSE = 0.01
PATIENT = SharedCacheSettings(timeout=timedelta(seconds=1))
"""On a machine that is busy with something else, the cache is not to be left alone in the middle of a round."""

_OPEN = SharedCacheSettings(failures=1, pause=timedelta(minutes=1), longest_pause=timedelta(minutes=10))
"""A breaker that stays open for as long as it is looked at."""


class _Fleet(NamedTuple):
    """A database, a cache, and the tokens of sessions that are in both."""

    url: str
    cache: Valkey
    tokens: Sequence[bytes]


async def run() -> list[Report]:
    """Measure a worker that starts, the seals, an absent cache, and a deployment."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(postgresql())
        cache = await stack.enter_async_context(valkey_server())
        url = server.url(server.create_database())
        fleet = _Fleet(url, cache, await _signed_in(url, cache))
        return [*await _cold(fleet), await _sealed(await _one(fleet)), await _deployed(fleet), await _absent(fleet)]


async def _signed_in(url: str, cache: Valkey) -> Sequence[bytes]:
    """Sign users in, and let one worker look at each of them, which puts them into the cache."""
    count = scaled(_SESSIONS, least=20)
    async with AsyncSessions(url, shared_cache=cache.url(), shared_cache_settings=PATIENT, keys=KEYS) as sessions:
        tokens = [await sign_in(sessions, f"user-{number}") for number in range(count)]
        for token in tokens:
            insist(await sessions.get(token))
        await _until_there(cache, count)
    return tokens


async def _until_there(cache: Valkey, count: int) -> None:
    end = monotonic() + _DEADLINE
    async with Redis.from_url(cache.url()) as client:
        while await client.dbsize() < count:
            if monotonic() > end:
                raise RuntimeError(f"only {await client.dbsize()} of {count} copies are in the cache")
            await asyncio.sleep(_PAUSE)


async def _cold(fleet: _Fleet) -> list[Report]:
    """Read sessions that this process does not know."""
    tokens = fleet.tokens[: scaled(_LOOKS, least=4)]
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Redis.from_url(fleet.cache.url()))
        plain = stack.enter_context(redis.Redis.from_url(fleet.cache.url()))
        names = [name async for name in client.scan_iter(_PREFIX + b"*", count=1000)][: len(tokens)]
        shared = fleet.cache.url()
        with_tier = await stack.enter_async_context(
            AsyncSessions(fleet.url, cache=MISSES, keys=KEYS, shared_cache=shared, shared_cache_settings=PATIENT)
        )
        without = await stack.enter_async_context(AsyncSessions(fleet.url, cache=MISSES, keys=KEYS))
        threads = stack.enter_context(
            Sessions(fleet.url, cache=MISSES, keys=KEYS, shared_cache=shared, shared_cache_settings=PATIENT)
        )
        threads_without = stack.enter_context(Sessions(fleet.url, cache=MISSES, keys=KEYS))
        tasks: dict[str, Batch] = {
            "bare redis-py GET": awaits(client.get, names),
            "`get`, from the shared tier": awaits(with_tier.get, tokens),
            "`get`, from PostgreSQL": awaits(without.get, tokens),
        }
        others: dict[str, Batch] = {
            "bare redis-py GET ": calls(plain.get, names),
            "`get`, from the shared tier ": calls(threads.get, tokens),
            "`get`, from PostgreSQL ": calls(threads_without.get, tokens),
        }
        rounds = scaled(_ROUNDS)
        timings = await interleaved({**tasks, **others}, rounds=rounds)
        reports = [
            _ratios("asyncio", {name: timings[name] for name in tasks}),
            _ratios("threads", {name.strip(): timings[name] for name in others}),
        ]
        for report, health in zip(reports, (await with_tier.health(), threads.health()), strict=True):
            numbers = _there(health.part("shared_cache")).numbers
            insist(numbers["hits"] >= rounds * len(tokens))
            report.notes.append(f"{numbers['hits']:,.0f} reads came from the tier, {numbers['misses']:,.0f} did not.")
    return reports


def _there(part: PartHealth | None) -> PartHealth:
    """Return what must be there."""
    if part is None:
        raise RuntimeError("there is no shared cache")
    return part


def _ratios(side: str, timings: dict[str, Timing]) -> Report:
    report = timed(f"The first look of a cold worker, {side}", timings)
    best = {name: timing.best for name, timing in timings.items()}
    ours = best["`get`, from the shared tier"]
    report.goals.append(Goal("From the shared tier over a bare GET", ours / best["bare redis-py GET"], _OVER_GET))
    report.goals.append(Goal("From the shared tier over PostgreSQL", ours / best["`get`, from PostgreSQL"], 1))
    return report


async def _one(fleet: _Fleet) -> Session:
    async with AsyncSessions(fleet.url, keys=KEYS) as sessions:
        session = await sessions.get(fleet.tokens[0])
    if isinstance(session, NotSignedIn):
        raise RuntimeError("the benchmark measured a refusal")  # noqa: TRY004 - no type is wrong
    return session


async def _sealed(session: Session) -> Report:
    """Take the seals apart from everything else."""
    copy, key = copy_in(session), key_of(b"a token")
    seals, epoch = Seals(SEALED, [b"k" * 32]), "an epoch of this log"
    (where,) = seals.places(epoch, key)
    sealed = where.seal(copy)
    cases = {
        "find the place": lambda _: seals.places(epoch, key),
        "name it": lambda _: where.name,
        "seal": lambda _: where.seal(copy),
        "open": lambda _: where.open(sealed),
    }
    arguments = range(1, scaled(_LOOKS, least=4))
    timings = await interleaved({name: calls(case, arguments) for name, case in cases.items()}, rounds=scaled(_ROUNDS))
    report = timed(f"Seals on a copy of {len(copy)} bytes", timings)
    report.notes.append("A copy that is read is named and opened; one that is written is named and sealed.")
    return report


async def _deployed(fleet: _Fleet) -> Report:
    """Start fresh workers, each of which is asked for every session, and count what reaches PostgreSQL."""
    tokens = [token.decode() for token in fleet.tokens]
    async with AsyncExitStack() as stack:
        workers = [
            await stack.enter_async_context(serving(url=fleet.url, shared_cache=fleet.cache.url()))
            for _ in range(scaled(_WORKERS, least=2))
        ]
        answers = await asyncio.gather(*(worker.ask("get_all", tokens=tokens) for worker in workers))
    report = Report(
        f"A deployment: fresh workers and {len(tokens):,} live sessions",
        ("worker", "accepted", "reads", "s", "a second"),
    )
    for number, answer in enumerate(answers, 1):
        seconds = answer["took"] / 1e9
        insist(answer["accepted"] == len(tokens))
        rate = f"{len(tokens) / seconds:,.0f}"
        report.rows.append((str(number), f"{answer['accepted']:,}", f"{answer['reads']:,}", f"{seconds:.2f}", rate))
    most = max(answer["reads"] for answer in answers)
    report.goals.append(Goal("Reads of the authority in one worker", most, 0, "reads"))
    report.notes.append("Each worker asks for all sessions, 16 at a time, and all workers at once.")
    return report


async def _absent(fleet: _Fleet) -> Report:
    """Take the cache away, which is why this comes last."""
    tokens = fleet.tokens[: scaled(_LOOKS, least=4)]
    async with AsyncExitStack() as stack:
        without = await stack.enter_async_context(AsyncSessions(fleet.url, cache=MISSES, keys=KEYS))
        with_tier = await stack.enter_async_context(
            AsyncSessions(
                fleet.url, cache=MISSES, keys=KEYS, shared_cache=fleet.cache.url(), shared_cache_settings=_OPEN
            )
        )
        fleet.cache.kill()
        insist(await with_tier.get(tokens[0]))
        insist(_there((await with_tier.health()).part("shared_cache")).status != "ok")
        timings = await interleaved(
            {
                "`get`, from PostgreSQL, no shared tier": awaits(without.get, tokens),
                "`get`, from PostgreSQL, breaker open": awaits(with_tier.get, tokens),
            },
            rounds=scaled(_ROUNDS),
        )
    report = timed("A miss while the shared cache is down", timings)
    plain, opened = (timing.best for timing in timings.values())
    report.goals.append(Goal("With the breaker open over no shared tier", opened / plain, _OPEN_COST))
    return report

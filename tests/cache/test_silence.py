"""T9, S15: no message, log line or repr shows a key or a value."""

from __future__ import annotations

import gc
import logging
import traceback
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import CoatcheckError, ValueSettings
from tests.cache.sides import LEASE, TTL, answered, broken

if TYPE_CHECKING:
    from tests.cache.sides import Bench

pytestmark = pytest.mark.anyio

KEY, TENANT, VALUE = "key-hunter2", "tenant-hunter2", "value-hunter2"


@dataclass
class Account:
    number: int


class Told:
    """Everything that was said."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        self._caplog = caplog
        self.said: list[str] = []

    async def hear(self, call: Any) -> None:
        """Note the error of a call, with all that led to it."""
        try:
            await answered(call)
        except CoatcheckError as error:
            self.said += [repr(error), "".join(traceback.format_exception(error))]

    def check(self, *, most: int) -> None:
        logged = [str(record.__dict__) for record in self._caplog.records]
        assert len(self.said) + len(logged) >= most, "there was something to be said"
        for text in (*self.said, *logged):
            assert "hunter2" not in text


async def test_T9_no_error_shows_a_key_or_a_value(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Of whatever is refused: wrong values, wrong types, wrong keys, what is stored and does not fit."""
    worker, told = await bench.worker(), Told(caplog)
    space = worker.namespace("accounts", tenant=TENANT)
    wrong: list[Any] = [VALUE, {VALUE: 1}, [VALUE], {"number": VALUE}, Account(VALUE), {VALUE}, object]  # type: ignore[arg-type]
    for value in wrong:
        for type_ in (Account, int, dict[str, Account], list[int], None):
            await told.hear(space.get_or_load(KEY, bench.origin(value), ttl=TTL, type=type_))
            await told.hear(space.put(KEY, value, ttl=TTL, type=type_))
    await told.hear(space.get(KEY.encode()))
    await told.hear(space.invalidate(KEY.encode(), VALUE.encode()))
    await told.hear(space.put(KEY, VALUE, ttl=timedelta(0)))
    worker.store.fail("invalidate", "poll")
    await told.hear(space.invalidate(KEY))
    await told.hear(worker.invalidate_tenant(TENANT))
    told.check(most=30)


@pytest.mark.parametrize("shape", ["shared"])
async def test_T9_no_log_line_shows_a_key_or_a_value(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Of whatever goes wrong: outages, refreshes that fail, stale values, large ones, forged ones."""
    told = Told(caplog)
    worker = await bench.worker(settings=ValueSettings(jitter=0, max_value_bytes=100))
    space, origin = worker.namespace("accounts", tenant=TENANT), bench.origin(VALUE)
    await space.get_or_load(KEY, origin, ttl=TTL)
    await space.get_or_load("large", bench.origin(VALUE * 100), ttl=TTL)
    origin.error = ValueError(VALUE)
    bench.clock.advance(TTL * 0.9)
    await space.get_or_load(KEY, origin, ttl=TTL)
    await worker.settle()
    bench.clock.advance(TTL * 0.1)
    await space.get_or_load(KEY, origin, ttl=TTL, stale_for=TTL)
    broken(bench.shared)
    for number in range(5):
        await space.get_or_load(f"{KEY} broken {number}", bench.origin(VALUE), ttl=TTL)
        await worker.settle()
    worker.store.fail("poll")
    bench.clock.advance(LEASE)
    await space.get_or_load(KEY, bench.origin(VALUE), ttl=TTL)
    bench.shared.heal()
    worker.store.heal()
    bench.clock.advance(timedelta(minutes=1))
    for number in range(5):
        await space.get_or_load(f"{KEY} {number}", bench.origin(VALUE), ttl=TTL)
        await worker.settle()
    events = {record.getMessage() for record in caplog.records if record.name == "coatcheck"}
    assert events == {
        "coatcheck.value_too_large",
        "coatcheck.refresh_failed",
        "coatcheck.stale_value",
        "coatcheck.shared_cache_unavailable",
        "coatcheck.shared_cache_available",
        "coatcheck.authority_unavailable",
        "coatcheck.authority_available",
    }
    told.check(most=7)


@pytest.mark.parametrize("shape", ["shared"])
async def test_T9_no_repr_shows_a_key_or_a_value(bench: Bench) -> None:
    """Of the cache and whatever of ours it holds, for debuggers and error reporters that show local variables."""
    worker = await bench.worker()
    space = worker.namespace("accounts", tenant="acme")
    for _ in range(2):
        await space.get_or_load(KEY, bench.origin(VALUE), ttl=TTL, type=str)
    await worker.settle()
    seen: dict[int, Any] = {}
    waiting = [worker.thing, space.thing, await worker.mark(), worker.numbers]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if type(thing).__module__.startswith("coatcheck") and not isinstance(thing, type):
            assert "hunter2" not in repr(thing) + str(thing)
            waiting += [part for part in gc.get_referents(thing) if not isinstance(part, type)]
            waiting += vars(thing).values() if hasattr(thing, "__dict__") else []
    assert len([thing for thing in seen.values() if type(thing).__module__.startswith("coatcheck")]) > 15


@pytest.mark.parametrize("shape", ["memory", "shared"])
async def test_S6_neither_the_log_nor_the_shared_cache_names_a_key(bench: Bench) -> None:
    worker = await bench.worker()
    space = worker.namespace("accounts-hunter2", tenant=TENANT)
    await space.put(KEY, 1, ttl=TTL)
    await worker.settle()
    await space.invalidate(KEY)
    await worker.invalidate_namespace("accounts-hunter2", tenant=TENANT)
    await worker.invalidate_namespace("accounts-hunter2")
    await worker.invalidate_tenant(TENANT)
    log = bench.memory._log
    assert len(log) == 4
    assert "hunter2" not in repr(log)
    if bench.shared is not None:
        assert len(bench.shared.keys) == 1
        assert b"hunter2" not in b"".join(bench.shared.keys)

"""A process that signs one user in many times at once: side, URL, how often, the limit and what to do at it."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

from coatcheck.stores.base import Full
from coatcheck.stores.valkey import AsyncValkeyStore, ValkeyStore
from coatcheck.testing._rows import a_row, to_create

TASKS = 10


def _new(now: int, limit: int, when_full: Any) -> Any:
    return to_create(a_row(now), limit=limit, when_full=when_full)


async def _tasks(url: str, times: int, limit: int, when_full: str) -> int:
    store = AsyncValkeyStore(url, timeout=20)
    now = (await store.poll(None)).now // 1000
    news = [_new(now, limit, when_full) for _ in range(times)]
    results = await asyncio.gather(*(store.create(new) for new in news), return_exceptions=True)
    await store.aclose()
    return _count(results)


def _threads(url: str, times: int, limit: int, when_full: str) -> int:
    store = ValkeyStore(url, timeout=20)
    now = store.poll(None).now // 1000
    results: list[object] = []

    def sign_in() -> None:
        for _ in range(times // TASKS):
            try:
                results.append(store.create(_new(now, limit, when_full)))
            except Full as full:
                results.append(full)

    threads = [threading.Thread(target=sign_in) for _ in range(TASKS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    assert len(results) == times
    return _count(results)


def _count(results: list[Any]) -> int:
    unexpected = [result for result in results if isinstance(result, BaseException) and not isinstance(result, Full)]
    assert not unexpected, unexpected
    return sum(not isinstance(result, Full) for result in results)


if __name__ == "__main__":
    kind, url, times, limit, when_full = sys.argv[1:]
    print("ready", flush=True)  # noqa: T201 - for the test that has started this
    sys.stdin.readline()
    if kind == "asyncio":
        print(asyncio.run(_tasks(url, int(times), int(limit), when_full)))  # noqa: T201
    else:
        print(_threads(url, int(times), int(limit), when_full))  # noqa: T201

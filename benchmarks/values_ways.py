"""The ways to keep values that are compared across processes, by the names that the tables have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.values_ours import shelf, shelf_sync
from benchmarks.values_peers import aiocache_shelf, cashews_shelf, dogpile_shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from benchmarks.values_peers import Load, SyncLoad
    from benchmarks.values_things import Shelf, SyncShelf

    Opened = AbstractAsyncContextManager[Shelf]
    OpenedSync = AbstractContextManager[SyncShelf]
    Servers = Mapping[str, str]
    """The URLs of `sqlite`, `postgresql` and `valkey`."""

LEASE = 2_000.0


class Bound(NamedTuple):
    """What ours promises.

    Attributes:
        alone: Whether each process loads for itself, because they have nothing between them.
        stale: For how many milliseconds what was before may be served.
    """

    alone: bool
    stale: float


BOUNDS = {
    "coatcheck, SQLite": Bound(alone=True, stale=0),
    "coatcheck, SQLite, threads": Bound(alone=True, stale=0),
    "coatcheck, PostgreSQL": Bound(alone=True, stale=LEASE),
    "coatcheck, PostgreSQL and Valkey": Bound(alone=False, stale=LEASE),
    "coatcheck, PostgreSQL and Valkey, threads": Bound(alone=False, stale=LEASE),
    "coatcheck, PostgreSQL and Valkey, `wait=True`": Bound(alone=False, stale=0),
    "coatcheck, Valkey": Bound(alone=False, stale=LEASE),
}

TASKS: dict[str, Callable[[Servers, Load], Opened]] = {
    "coatcheck, SQLite": lambda at, load: shelf(at["sqlite"], load),
    "coatcheck, PostgreSQL": lambda at, load: shelf(at["postgresql"], load),
    "coatcheck, PostgreSQL and Valkey": lambda at, load: shelf(at["postgresql"], load, valkey=at["valkey"]),
    "coatcheck, PostgreSQL and Valkey, `wait=True`": lambda at, load: shelf(
        at["postgresql"], load, valkey=at["valkey"], wait=True
    ),
    "coatcheck, Valkey": lambda at, load: shelf(at["valkey"], load, valkey=at["valkey"]),
    "cashews `@cache`": lambda at, load: cashews_shelf(at["valkey"], load),
    "cashews `@cache(lock=True)`": lambda at, load: cashews_shelf(at["valkey"], load, lock=True),
    "cashews `@cache`, client side": lambda at, load: cashews_shelf(at["valkey"], load, client_side=True),
    "cashews `@cache`, client side, RESP2": lambda at, load: cashews_shelf(
        at["valkey"], load, client_side=True, protocol=2
    ),
    "aiocache `@cached`": lambda at, load: aiocache_shelf(at["valkey"], load),
    "aiocache `@cached_stampede`": lambda at, load: aiocache_shelf(at["valkey"], load, stampede=True),
}
"""Those of a process with an event loop."""

THREADS: dict[str, Callable[[Servers, SyncLoad], OpenedSync]] = {
    "coatcheck, SQLite, threads": lambda at, load: shelf_sync(at["sqlite"], load),
    "coatcheck, PostgreSQL and Valkey, threads": lambda at, load: shelf_sync(
        at["postgresql"], load, valkey=at["valkey"]
    ),
    "dogpile.cache": lambda at, load: dogpile_shelf(at["valkey"], load),
    "dogpile.cache, `distributed_lock`": lambda at, load: dogpile_shelf(at["valkey"], load, distributed_lock=True),
}
"""Those of a process with threads."""

SLOW = ("coatcheck, PostgreSQL and Valkey, `wait=True`", "cashews `@cache`, client side")
"""One waits for a lease with each change; the other one never hears of any."""

WAYS = tuple(dict.fromkeys((*BOUNDS, *TASKS, *THREADS)))
"""All of them, ours first."""

"""Somebody dies, stands still or forgets while values are loaded and invalidated: calls are answered all the same."""

from __future__ import annotations

import signal
from itertools import count
from typing import TYPE_CHECKING

import pytest

from coatcheck import Unavailable
from tests.fleet.fleet import LEASE
from tests.processes.values import WATCHED, site
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.processes.values import Site
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.valkey import Valkey

    Show = Callable[[str], None]

pytestmark = pytest.mark.processes

HASTY = {"timeout": 0.05, "pause": 0.05, "longest_pause": 0.5}
"""A cache between the processes is left alone for half a second at the most."""

OPTIONS = {"timeout": 1.0}
_SILENCE = "ALTER TABLE coatcheck_log DISABLE TRIGGER coatcheck_logged"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path)


def _database(url: str) -> str:
    return url.rpartition("/")[2]


# --- the one who loads


@pytest.mark.parametrize("kinds", [("async", "sync", "async"), ("sync", "async", "sync")], ids=["async", "sync"])
def test_S9_the_one_who_loads_for_all_is_killed(url: str, cache: str, folder: str, kinds: tuple[str, ...]) -> None:
    """One of the others does it, and one alone."""
    with site(url, folder, cache=cache, kinds=kinds, lease=LEASE) as fleet:
        holder, *others = fleet.each
        _let_it_load(fleet)
        holder.kill()
        _until_another_loads(fleet)
        fleet.gates.open("cold")
        answers = [worker.hear()["answers"] for worker in others]
        assert [sum(each.values()) for each in answers] == [10, 10]
        assert len({load for each in answers for load in each}) == 1
        assert len(fleet.book.lines("begin")) == 2


def test_L7_the_one_who_loads_for_all_stands_still_across_an_invalidation(
    url: str, cache_server: Valkey, cache: str, folder: str
) -> None:
    """One of the others loads, and what the first one brings when it goes on is served to nobody who calls then."""
    with site(url, folder, cache=cache, kinds=["async", "sync", "async"], lease=LEASE) as fleet:
        holder, *others = fleet.each
        _let_it_load(fleet)
        holder.stop()
        _until_another_loads(fleet)
        fleet.change("cold", wait=True)
        fleet.gates.open("cold")
        for worker in others:
            worker.hear()
            assert worker.ask("call", key="cold") == {"version": 2}
        cache_server.empty()
        holder.signal(signal.SIGCONT)
        assert holder.hear() == {"version": 1}, "its call is older than the change"
        until(lambda: _copies(cache_server), "the old value is in the shared cache")
        loads = len(fleet.book.lines("begin"))
        with site(url, folder, cache=cache, kinds=["async"], create=False) as fresh:
            assert fresh.workers.ask("call", key="cold") == [{"version": 2}]
        assert len(fleet.book.lines("begin")) == loads + 1, "what lay there was of no use"
        assert fleet.workers.ask("call", key="cold") == [{"version": 2}] * 3


def _let_it_load(fleet: Site) -> None:
    """Return when the first worker loads, and all others wait for what it brings."""
    holder, *others = fleet.each
    fleet.gates.shut("cold")
    holder.tell("call", key="cold")
    assert [load.pid for load in fleet.until_loading("cold")] == [holder.pid]
    for worker in others:
        assert worker.ask("stampede", key="cold", callers=10) == {"calling": 10}


def _until_another_loads(fleet: Site) -> None:
    holder, *others = fleet.pids
    first, second = (load.pid for load in fleet.until_loading("cold", 2))
    assert first == holder
    assert second in others


def _copies(valkey: Valkey) -> int:
    with valkey.client(decode_responses=False) as client:
        return sum(not name.endswith(b".lease") for name in client.scan_iter())


# --- the cache between the workers

FAULTS: dict[str, tuple[Callable[[Valkey], None], Callable[[Valkey], None]]] = {
    "is stopped": (lambda cache: cache.pause(), lambda cache: cache.resume()),
    "is killed": (lambda cache: cache.kill(), lambda cache: cache.start()),
    "is flushed": (lambda cache: cache.empty(), lambda cache: cache.empty()),
    "is flushed, and the store with it": (lambda cache: cache.empty(), lambda cache: cache.empty()),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_L7_the_shared_cache(  # noqa: PLR0917 - pytest gives them by name
    request: pytest.FixtureRequest, cache_server: Valkey, cache: str, folder: str, show: Show, fault: str
) -> None:
    """Values change in all that time, and afterwards the workers share them again."""
    begin, end = FAULTS[fault]
    url = cache if fault.endswith("the store with it") else request.getfixturevalue("url")
    with site(url, folder, cache=cache, kinds=["async", "sync"], lease=LEASE, shared=HASTY) as fleet:
        with fleet.watching():
            begin(cache_server)
            for key in WATCHED:
                fleet.change(key)
            fleet.until_served()
            fleet.until_quiet()
            end(cache_server)
            for key in WATCHED:
                fleet.change(key)
        late = fleet.late()
        show(f"the shared cache {fault}: {late.calls} of {fleet.answers} answers old, by {late.most:.1f} ms at most")
        assert late.most <= LEASE * 1_000
        keys = (f"shared {number}" for number in count())
        until(lambda: _loads(fleet, next(keys)) == 1, "what one has loaded, the other takes")


def _loads(fleet: Site, key: str) -> int:
    """Have a new thing called for by one worker after the other; returns how many of them load it."""
    fleet.origin.create([key])
    for worker in fleet.each:
        assert worker.ask("call", key=key) == {"version": 1}
    return len(fleet.book.lines("begin", key))


# --- the store


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_L7_S9_the_database(server: PostgreSQL, url: str, folder: str, show: Show, *, killed: bool) -> None:
    with site(url, folder, kinds=["async", "sync"], lease=LEASE, options=OPTIONS) as fleet:
        server.execute(_SILENCE, _database(url))
        _outage(fleet, *((server.kill, server.start) if killed else (server.pause, server.resume)))
        _tell(fleet, show, f"the database is {'killed' if killed else 'stopped'}")


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_L7_S9_the_valkey_that_is_the_store(
    cache_server: Valkey, cache: str, folder: str, show: Show, *, killed: bool
) -> None:
    """It is the cache between the workers too."""
    valkey = cache_server
    with site(cache, folder, cache=cache, kinds=["async", "sync"], lease=LEASE, shared=HASTY, options=OPTIONS) as fleet:
        _outage(fleet, *((valkey.kill, valkey.start) if killed else (valkey.pause, valkey.resume)))
        _tell(fleet, show, f"Valkey is {'killed' if killed else 'stopped'}")


def _outage(fleet: Site, down: Callable[[], None], up: Callable[[], None]) -> None:
    """Take the store away right after a change: values are loaded and not kept, and afterwards they are kept again."""
    with fleet.watching():
        fleet.until_quiet()
        fleet.change("a")
        down()
        fleet.until_uncached()
        fleet.write("b")
        fleet.until_served()
        up()
        until(lambda: _invalidated(fleet, "b"), "the store answers")
        fleet.outdated("b")
        fleet.until_quiet()
        fleet.change("c")


def _invalidated(fleet: Site, key: str) -> bool:
    try:
        fleet.cache.invalidate(key)
    except Unavailable:
        return False
    return True


def _tell(fleet: Site, show: Show, what: str) -> None:
    late = fleet.late()
    show(f"{what}: {late.calls} of {fleet.answers} answers old, by {late.most:.1f} ms at the most")
    assert late.most <= LEASE * 1_000


# --- the workers, and what wakes them


def test_L7_nobody_is_notified(server: PostgreSQL, url: str, folder: str, show: Show) -> None:
    """Old values are served, and for no longer than the lease."""
    with site(url, folder, kinds=["async", "sync"], lease=LEASE) as fleet:
        server.execute(_SILENCE, _database(url))
        with fleet.watching():
            for key in WATCHED:
                fleet.change(key)
                fleet.until_served()
        _tell(fleet, show, "nobody is notified")
        assert fleet.late().calls, "or this test could see nothing"


@pytest.mark.parametrize("store", ["PostgreSQL", "Valkey"])
def test_L7_workers_stand_still_for_longer_than_the_lease(
    request: pytest.FixtureRequest, cache: str, folder: str, store: str
) -> None:
    """When they go on, they serve nothing that was invalidated meanwhile."""
    url = cache if store == "Valkey" else request.getfixturevalue("url")
    with site(url, folder, cache=cache, kinds=["async", "sync"], lease=LEASE) as fleet:
        with fleet.watching():
            fleet.until_quiet()
            for worker in fleet.each:
                worker.stop()
            for key in WATCHED[:-1]:
                fleet.change(key)
            fleet.change(WATCHED[-1], wait=True)
            for key in WATCHED:
                fleet.outdated(key)
            for worker in fleet.each:
                worker.signal(signal.SIGCONT)
        assert fleet.late() == (0, 0)

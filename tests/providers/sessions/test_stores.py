"""A provider's sessions with real servers for their log: two workers, sign-outs, and stores that stop, hang and die."""

from __future__ import annotations

import multiprocessing
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import NotSignedIn, ProviderSessions, SharedCacheSettings
from coatcheck.clock import SystemClock
from coatcheck.core.identities import ProviderAnswer
from coatcheck.core.times import from_micros
from coatcheck.stores.urls import async_store_from_url, store_from_url
from tests.providers.sessions.bench import REFUSED, Bench, Scripted, a_record
from tests.servers.postgresql import PostgreSQL
from tests.servers.valkey import Valkey
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

KEYS = [b"a key of the workers, 32 or more ..."]
WORD = timedelta(days=7)
PATIENT = SharedCacheSettings(timeout=timedelta(seconds=1))


@pytest.fixture(params=["sqlite", "postgresql", "valkey"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/log.db"
    return str(request.getfixturevalue(f"{request.param}_url"))


class RealBench(Bench):
    """With the time as it is, and a store by its URL."""

    def opened(self, url: str, **options: Any) -> Any:
        make: Callable[..., Any] = async_store_from_url if self.kind == "asyncio" else store_from_url
        self.clock = SystemClock()  # type: ignore[assignment]
        return self.worker(make(url, None, None), **options)


@pytest.fixture
def real(bench: Bench) -> RealBench:
    bench.__class__ = RealBench
    bench.clock = SystemClock()  # type: ignore[assignment]
    return bench  # type: ignore[return-value]


def test_I1_a_sign_out_reaches_the_other_worker_through_a_real_log(real: RealBench, url: str) -> None:
    """Also where the provider goes on accepting the token."""
    one, two = real.opened(url), real.opened(url)
    real.signed_in()
    assert one.get(b"token")
    assert two.get(b"token")
    assert two.sessions.lookup(b"token")
    one.do("sign_out", b"token", wait=True)
    real.signed_in()
    assert two.get(b"token") is NotSignedIn.UNKNOWN
    assert one.get(b"token") is NotSignedIn.UNKNOWN


def test_a_new_worker_knows_what_has_ended(real: RealBench, url: str) -> None:
    one = real.opened(url)
    one.do("told", ("op", "1"), sessions=["s1"])
    real.signed_in()
    two = real.opened(url)
    assert two.get(b"token") is NotSignedIn.UNKNOWN
    assert two.do("told", ("op", "1"), sessions=["s1"]) is False


def test_A1_A4_with_valkey_between_them_workers_share_answers_and_ends(
    real: RealBench, postgresql_url: str, valkey_url: str
) -> None:
    shared = {"shared_cache": valkey_url, "keys": KEYS, "shared_cache_settings": PATIENT}
    one, two, three = (real.opened(postgresql_url, **shared) for _ in range(3))
    real.signed_in()
    first = one.get(b"token")
    until(lambda: three.get(b"token") and three.sessions.tiers.shared.hits, "the copy is shared")
    assert two.get(b"token") == first
    assert real.provider.asked.count(b"token") <= 2
    one.do("sign_out", b"token", wait=True)
    real.signed_in()
    assert [worker.get(b"token") for worker in (one, two, three)] == [NotSignedIn.UNKNOWN] * 3


@pytest.fixture(params=["postgresql", "valkey"])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    with (PostgreSQL if request.param == "postgresql" else Valkey)() as own:
        yield own


@pytest.mark.parametrize("fault", ["stop", "kill", "pause"])
def test_E4_with_its_log_away_requests_go_to_the_provider_and_nothing_is_kept(
    real: RealBench, server: Any, fault: str
) -> None:
    worker = real.opened(server.url(server.create_database()) if isinstance(server, PostgreSQL) else server.url())
    real.signed_in()
    assert worker.get(b"token")
    getattr(server, fault)()
    until(lambda: _asks(real, worker), "the lease is over")
    real.provider.answers[b"token"] = REFUSED
    assert worker.get(b"token") is NotSignedIn.UNKNOWN
    assert worker.sessions.lookup(b"token") is None
    real.signed_in()
    health = worker.do("health")
    assert (health.status, health.ready) == ("degraded", True)
    server.resume() if fault == "pause" else server.start()
    until(lambda: worker.get(b"token") and worker.sessions.lookup(b"token"), "it is kept again")


def _asks(real: RealBench, worker: Any) -> bool:
    before = len(real.provider.asked)
    assert worker.get(b"token"), "nothing fails, and nobody is signed out"
    return len(real.provider.asked) > before


# --- two processes


def _serve(url: str, pipe: Connection) -> None:
    """Validate what is asked for, in a process of its own, with a provider that never notices an end."""
    provider = Scripted()
    provider.answers[b"token"] = ProviderAnswer(a_record("s1", "ada", from_micros(SystemClock().now() // 1000), WORD))
    with ProviderSessions(provider, url) as sessions:
        pipe.send(os.getpid())
        while (token := pipe.recv()) is not None:
            answer = sessions.get(token)
            pipe.send((bool(answer), len(provider.asked)))


@pytest.mark.processes
def test_I1_a_sign_out_in_one_process_ends_it_in_the_others(url: str) -> None:
    """Each has asked its provider once, and served from memory since."""
    spawn = multiprocessing.get_context("spawn")
    provider = Scripted()
    provider.answers[b"token"] = ProviderAnswer(a_record("s1", "ada", from_micros(SystemClock().now() // 1000), WORD))
    with ProviderSessions(provider, url) as sessions:
        pipes = [spawn.Pipe() for _ in range(2)]
        workers = [spawn.Process(target=_serve, args=(url, there), daemon=True) for _, there in pipes]
        for worker in workers:
            worker.start()
        ours = [here for here, _ in pipes]
        assert all(here.recv() != os.getpid() for here in ours)
        for _ in range(3):
            for here in ours:
                here.send(b"token")
            assert [here.recv() for here in ours] == [(True, 1)] * 2
        sessions.sign_out(b"token", wait=True)
        for here in ours:
            here.send(b"token")
        assert [here.recv()[0] for here in ours] == [False] * 2
        for here, worker in zip(ours, workers, strict=True):
            here.send(None)
            worker.join(30)
            assert worker.exitcode == 0

"""Valkey as the shared cache and as the place of the log, down, slow and emptied: requests go on to Appwrite (E4)."""

from __future__ import annotations

import hashlib
import logging
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from coatcheck import NotSignedIn, SharedCacheSettings
from tests.providers.appwrite.worker import Worker
from tests.servers.appwrite import Appwrite
from tests.servers.proxy import Proxy
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers.valkey import Valkey

PATIENT = SharedCacheSettings(timeout=timedelta(seconds=1))
"""For what must be found in the cache, on a machine that has much to do."""


@pytest.fixture
def appwrite() -> Iterator[Appwrite]:
    """Appwrite, by the machine's clock, as Valkey is."""
    with Appwrite() as appwrite:
        yield appwrite


@pytest.fixture
def proxy(server: Valkey) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


class Place(NamedTuple):
    """A Valkey that can fail in every way, and where workers find it."""

    server: Valkey
    proxy: Proxy

    @property
    def url(self) -> str:
        return self.proxy.through(self.server.url())

    @contextmanager
    def failing(self, fault: str) -> Iterator[None]:
        """Break it, and mend it afterwards."""
        try:
            {
                "stopped": self.server.pause,
                "killed": self.server.kill,
                "slow": lambda: self.proxy.delay(2.0),
                "refused": self._refuse,
                "emptied": self.server.empty,
            }[fault]()
            yield
        finally:
            {"stopped": self.server.resume, "killed": self.server.start}.get(fault, self.proxy.restore)()

    def _refuse(self) -> None:
        self.proxy.refuse()
        self.proxy.cut(reset=True)


FAULTS = ["stopped", "killed", "slow", "refused", "emptied"]


@pytest.fixture
def place(server: Valkey, proxy: Proxy) -> Place:
    return Place(server, proxy)


def test_E1_what_is_shared_is_sealed_and_under_a_hash(
    appwrite: Appwrite, server: Valkey, kind: str, tmp_path: Path
) -> None:
    """Another worker finds it and asks nobody; neither the token nor its plain hash is to be read in Valkey."""
    secret = appwrite.sign_in()
    options: dict[str, Any] = {"shared_cache": server.url(), "shared_cache_settings": PATIENT}
    with (
        Worker(kind, appwrite.url, str(tmp_path / "log.db"), **options) as worker,
        Worker(kind, appwrite.url, str(tmp_path / "log.db"), **options) as other,
    ):
        worker.session(secret)
        worker.settle()
        other.session(secret)
        assert len(appwrite.asked) == 2
    with server.client(decode_responses=False) as client:
        keys: Any = client.keys()
        everything: bytes = b"".join(key + (client.get(key) or b"") for key in keys)
        life: int = max(client.pttl(key) for key in keys)
    assert everything
    assert secret.encode() not in everything
    assert hashlib.sha256(secret.encode()).digest() not in everything
    assert 0 < life <= 5 * 60 * 1000, "never longer than revalidate_after"


def test_E1_two_projects_do_not_share_copies(appwrite: Appwrite, server: Valkey, kind: str, tmp_path: Path) -> None:
    """What one project has said of a token means nothing to another."""
    secret = appwrite.sign_in()
    options: dict[str, Any] = {"shared_cache": server.url(), "shared_cache_settings": PATIENT}
    with (
        Worker(kind, appwrite.url, str(tmp_path / "log.db"), **options) as worker,
        Worker(kind, appwrite.url, str(tmp_path / "log.db"), project="other", **options) as other,
    ):
        worker.session(secret)
        worker.settle()
        with pytest.raises(Exception, match="project='other'"):
            other.get(secret)
    assert worker.provider.conditions != other.provider.conditions


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All that anybody logs; no token may be in it (T9)."""
    caplog.set_level(logging.DEBUG)
    yield caplog
    records = caplog.get_records("call")
    assert records
    assert not [record for record in records if "eyJpZCI6" in repr(vars(record))]


@pytest.fixture
def tokens(appwrite: Appwrite) -> list[str]:
    """Sessions of as many users."""
    tokens = [appwrite.sign_in(f"user{number}") for number in range(12)]
    assert all(token.startswith("eyJpZCI6") for token in tokens)
    return tokens


@pytest.fixture
def start(appwrite: Appwrite, kind: str, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Give a test workers, with their log in SQLite where it does not stand elsewhere."""
    with ExitStack() as stack:

        def started(store: str | None = None, **options: Any) -> Worker:
            worker = Worker(kind, appwrite.url, store or str(tmp_path / "log.db"), **options)
            return stack.enter_context(worker)

        yield started


@pytest.mark.parametrize("fault", FAULTS)
def test_E4_a_shared_cache_that_fails_costs_no_request(
    place: Place, start: Callable[..., Worker], tokens: list[str], logged: pytest.LogCaptureFixture, fault: str
) -> None:
    """Requests go on to Appwrite; it is logged once, and nothing else; sign-outs hold as before."""
    workers = [start(shared_cache=place.url) for _ in range(2)]
    workers[0].session(tokens[0])
    workers[0].settle()
    with place.failing(fault):
        for worker in workers:
            for token in tokens:
                worker.session(token)
        workers[0].do("sign_out", tokens[0])
        for worker in workers:
            assert worker.get(tokens[0]) is NotSignedIn.UNKNOWN
    for worker in workers:
        assert worker.get(tokens[0]) is NotSignedIn.UNKNOWN
    ours = [record for record in logged.records if record.name == "coatcheck" and record.levelno >= logging.WARNING]
    assert {record.getMessage() for record in ours} == (
        set() if fault == "emptied" else {"coatcheck.shared_cache_unavailable"}
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_E4_a_log_that_fails_costs_no_request(
    place: Place, start: Callable[..., Worker], appwrite: Appwrite, tokens: list[str], fault: str
) -> None:
    """What only bounds what is remembered must not fail what Appwrite can answer: every request asks it."""
    worker = start(place.url)
    for token in tokens[:3]:
        worker.session(token)
    with place.failing(fault):
        if fault != "emptied":
            until(lambda: not worker.sessions._log.proven(), "the lease is over")
        for token in tokens[:3] * 2:
            worker.session(token)
        appwrite.end(tokens[0])
        if fault != "emptied":
            assert worker.get(tokens[0]) is NotSignedIn.UNKNOWN, "nothing is served from memory without proof"

    def cached() -> bool:
        before = len(appwrite.asked)
        worker.session(tokens[1])
        return len(appwrite.asked) == before

    until(cached, "the log can prove again")

"""Sessions and values of one process share its reader of the log: one connection that listens, one poll for both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import Sessions
from coatcheck.stores.urls import store_from_url
from tests.processes.values import UNDISTURBED, site
from tests.processes.values_worker import KEYS
from tests.servers.postgresql import PostgreSQL
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.processes.values import Site
    from tests.servers.valkey import Valkey

pytestmark = pytest.mark.processes

CHANGES = 10
_POLL = "coatcheck_log WHERE position = ANY"
_LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^LISTEN'"

kinds = pytest.mark.parametrize("kind", ["async", "sync"])


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """A server that writes down what it is asked."""
    with PostgreSQL(settings={"log_statement": "all"}) as server:
        yield server


@kinds
def test_one_listener_and_one_poll_on_postgresql(server: PostgreSQL, url: str, tmp_path: Path, kind: str) -> None:
    _check(
        url,
        str(tmp_path),
        kind,
        polls=lambda: server.log.count(_POLL),
        listeners=lambda: server.execute(_LISTENERS)[0][0],
    )


@kinds
def test_one_listener_and_one_poll_on_valkey(cache_server: Valkey, cache: str, tmp_path: Path, kind: str) -> None:
    with cache_server.client() as client:

        def scripts() -> int:
            calls: int = client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
            return calls

        def listeners() -> int:
            return sum(each["cmd"] == "xread" for each in client.client_list())

        _check(cache, str(tmp_path), kind, polls=scripts, listeners=listeners, others=CHANGES)


def _check(
    url: str, folder: str, kind: str, *, polls: Callable[[], int], listeners: Callable[[], Any], others: int = 0
) -> None:
    """Use both in one worker, and outdate both over and over.

    Args:
        url: The store.
        folder: A folder.
        kind: Of the worker.
        polls: Returns how many polls there were so far.
        listeners: Returns how many connections listen.
        others: How many of those `polls` were something else, in the end.
    """
    with Sessions(store_from_url(url), keys=KEYS) as sessions:
        token = sessions.create("anna").token.reveal()
    with site(url, folder, kinds=[kind], lease=UNDISTURBED, beside=True) as fleet:
        [worker] = fleet.each
        assert worker.ask("get_session", token=token) == {"signed_in": True}
        assert worker.ask("call", key="cold") == {"version": 1}
        until(listeners, "somebody listens")
        _change(fleet)
        before = polls()
        for _ in range(CHANGES):
            _change(fleet)
            assert worker.ask("get_session", token=token) == {"signed_in": True}
        assert CHANGES <= polls() - before - others <= CHANGES + 2, "two may have been late for what went before"
        # It listens again as soon as it has dealt with the last change; a second one would stay.
        until(lambda: listeners() == 1, "one connection listens")


def _change(fleet: Site) -> None:
    fleet.change("cold")
    [worker] = fleet.each
    until(lambda: worker.ask("call", key="cold") == {"version": fleet.versions["cold"]}, "the new value is served")

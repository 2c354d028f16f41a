"""Workers over one server: what one ends, the others refuse, woken by the stream."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from coatcheck import NotSignedIn, Session, Sessions
from coatcheck.core.settings import CacheSettings
from coatcheck.errors import Unavailable
from coatcheck.stores.valkey import ValkeyStore
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck import Token
    from tests.servers.valkey import Valkey

LEASE = timedelta(minutes=1)
SOON = 30.0
"""Less than the lease: what is refused by then was refused because somebody was woken."""


@pytest.fixture
def workers(server: Valkey) -> Iterator[list[Sessions]]:
    cache = CacheSettings(lease=LEASE)
    workers = [Sessions(ValkeyStore(server.url()), cache=cache).open() for _ in range(3)]
    yield workers
    for worker in workers:
        worker.close()


def test_I1_what_one_ends_the_others_refuse_before_the_lease_is_over(workers: list[Sessions]) -> None:
    first, *others = workers
    token = first.create("ann").token
    for _ in range(3):
        for worker in others:
            assert isinstance(worker.get(token), Session)
    first.revoke(token)
    for worker in others:
        until(partial(refuses, worker, token), "it is refused", SOON)


def test_I1_everyone_is_refused_before_the_lease_is_over(workers: list[Sessions]) -> None:
    first, *others = workers
    tokens = [first.create(user).token for user in ("ann", "bob", None)]
    for worker in others:
        assert all(isinstance(worker.get(token), Session) for token in tokens)
    assert first.revoke_everyone() == 3
    for worker in others:
        for token in tokens:
            until(partial(refuses, worker, token), "it is refused", SOON)


def test_I2_a_restarted_server_refuses_nobody(server: Valkey, workers: list[Sessions]) -> None:
    tokens = [workers[0].create("ann").token for _ in range(3)]
    server.restart()
    for worker in workers:
        for token in tokens:
            assert isinstance(until(partial(answer, worker, token), "the server answers"), Session)


def refuses(worker: Sessions, token: Token) -> bool:
    return isinstance(worker.get(token), NotSignedIn)


def answer(worker: Sessions, token: Token) -> Session | NotSignedIn | None:
    try:
        return worker.get(token)
    except Unavailable:
        return None

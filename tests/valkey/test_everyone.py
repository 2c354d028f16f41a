"""Ending all sessions: at once, for everybody, and whatever comes at the same time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.core.coherence import EVERYONE, user_subject
from coatcheck.errors import DataError
from coatcheck.testing._rows import a_row, to_create
from tests.servers.waiting import until
from tests.valkey.sides import Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.valkey import Valkey

    Connect = Callable[..., Side]


def commands_of(server: Valkey) -> int:
    """Return how many commands the server has run, those within scripts too."""
    with server.client() as client:
        return sum(int(each["calls"]) for each in client.info("commandstats").values())


def cost_of_everyone(server: Valkey, side: Side, sessions: int) -> int:
    for _ in range(sessions):
        side.added()
    before = commands_of(server)
    assert side.do("revoke_everyone") == sessions
    return commands_of(server) - before


def test_it_costs_the_same_however_many_there_are(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    cost_of_everyone(server, side, 1)
    assert cost_of_everyone(server, side, 200) == cost_of_everyone(server, side, 2)


def test_one_entry_and_nobody_is_left(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    gone = [side.added(user_id=user) for user in ("ann", "bob", None)]
    cursor = side.poll().cursor
    assert side.do("revoke_everyone") == 3
    assert [entry.subject for entry in side.poll(cursor).entries] == [EVERYONE]
    for token_hash, row in gone:
        assert side.read(token_hash).record is None
        assert side.do("find", row.id).record is None
    assert side.ids() == side.ids("ann") == []


def test_where_nobody_has_ever_signed_in(server: Valkey, connect: Connect) -> None:
    """It is the first thing that is written, and takes nobody with it who comes later."""
    side = connect(server.url())
    assert side.do("revoke_everyone") == 0
    token_hash, row = side.added()
    assert side.do("sweep", 10) == []
    assert side.read(token_hash).record == row


def test_sweeping_removes_what_is_left_in_batches(server: Valkey, connect: Connect) -> None:
    """Two generations of it, among sessions that go on."""
    side = connect(server.url())
    for _ in range(2):
        for _ in range(1_100):
            side.added()
        side.do("revoke_everyone")
    kept, row = side.added()

    def keys() -> int:
        assert side.do("sweep", 10) == []
        return len(server.run_cli("KEYS", "{coatcheck}:*").splitlines())

    assert keys() > 2_000
    until(lambda: keys() == 7, "only the session, its indexes, the log and the meta key are left")
    assert side.read(kept).record == row


@pytest.mark.processes
def test_a_sign_in_at_the_same_time_is_before_or_after_it(server: Valkey, kind: str) -> None:
    """Whoever was told that they are signed in, and is not there, has been counted; the others are there."""
    created: list[Any] = []

    def sign_in() -> None:
        with Side(kind, server.url()) as side:
            for _ in range(150):
                created.append(side.added(user_id=None)[0])  # noqa: PERF401 - others append too

    threads = [threading.Thread(target=sign_in) for _ in range(3)]
    with Side(kind, server.url()) as side:
        for thread in threads:
            thread.start()
        ended = 0
        while any(thread.is_alive() for thread in threads):
            ended += side.do("revoke_everyone")
        for thread in threads:
            thread.join()
        alive = [token_hash for token_hash in created if side.read(token_hash).record is not None]
        assert len(created) == 450
        assert ended + len(alive) == 450
        assert len(side.ids()) == len(alive)


def test_a_former_generations_token_can_be_used_again_and_brings_nothing_back(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    new = to_create(a_row(side.now()))
    side.create(new)
    with pytest.raises(DataError):
        side.create(new)
    side.do("revoke_everyone")
    side.create(new._replace(record=new.record._replace(data='{"b": 1}')))
    found = side.read(new.token_hash).record
    assert found is not None
    assert found.data == '{"b": 1}'


def test_a_user_with_very_many_sessions_ends_with_one_entry(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    rows = [side.added()[1] for _ in range(1_002)]
    cursor = side.poll().cursor
    ended = side.revoke(user_id="ann", keep=rows[0].id)
    assert {each.id for each in ended} == {row.id for row in rows[1:]}
    assert [entry.subject for entry in side.poll(cursor).entries] == [user_subject("ann")]
    assert side.ids("ann") == [rows[0].id]

"""A server whose memory is full: nobody signs in, and everything else goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck.errors import Unavailable
from coatcheck.stores.base import Rotation, SessionChange, Touch
from coatcheck.testing._rows import DAY, MANY_BYTES, SECOND, a_hash, a_row, to_create

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.valkey import Valkey
    from tests.valkey.sides import Side

    Connect = Callable[..., Side]


def test_sessions_are_read_kept_and_ended_when_memory_is_full(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    token_hash, row = side.added()
    known = side.poll()
    server.run_cli("CONFIG", "SET", "maxmemory", "1mb")
    with pytest.raises(Unavailable):
        side.added(user_id="bob")
    with pytest.raises(Unavailable):
        side.do("save", SessionChange(row.id, {"a": 1}, (), MANY_BYTES))
    assert side.ids("bob") == []
    assert side.read(token_hash).record == row
    assert side.poll(known.cursor).resumed
    touch = Touch(row.id, row.last_seen_at + SECOND, row.idle_expires_at + DAY)
    assert side.do("touch", [touch]) == {row.id}
    fresh = a_hash()
    assert side.do("rotate", Rotation(token_hash, fresh)) is not None
    assert side.revoke(token_hash=fresh)
    assert side.read(fresh).record is None
    assert len(side.poll(known.cursor).entries) == 2
    assert side.do("revoke_everyone") == 0
    assert side.do("sweep", 10) == []


def test_a_full_server_that_was_restarted_can_be_asked(server: Valkey, connect: Connect) -> None:
    """The new epoch has to be noted in it."""
    side = connect(server.url())
    token_hash, row = side.added()
    known = side.poll()
    server.configure({"maxmemory": "1mb"})
    server.restart()
    page = side.poll(known.cursor)
    assert not page.resumed
    assert side.read(token_hash).record == row
    assert side.read(token_hash).epoch == page.epoch
    with pytest.raises(Unavailable):
        side.create(to_create(a_row(page.now // 1000)))

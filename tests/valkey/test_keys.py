"""What stands on the server: how long, under which keys, and never a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck.core.times import from_micros
from coatcheck.stores.base import SessionChange, Touch
from coatcheck.stores.valkey.async_readings import FLOOD
from coatcheck.testing import ManualClock
from coatcheck.testing._rows import DAY, HOUR, MANY_BYTES, a_row, an_expired_row, to_create

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.valkey import Valkey
    from tests.valkey.sides import Side

    Connect = Callable[..., Side]

_MARGIN = DAY
_MINUTE = HOUR // 60


def keys(server: Valkey) -> list[str]:
    return server.run_cli("KEYS", "*").splitlines()


def lives(server: Valkey, kind: str) -> int:
    """Return how many microseconds the key of a kind has left."""
    (key,) = [key for key in keys(server) if f":{kind}:" in key]
    return int(server.run_cli("PTTL", key)) * 1000


def test_all_keys_have_one_hash_tag(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    side.added(user_id="{other}")
    side.do("invalidate_user", "{other}")
    side.do("revoke_everyone")
    side.added()
    assert {key.partition(":")[0] for key in keys(server)} == {"{coatcheck}"}


def test_entries_outlive_their_session_by_a_margin(server: Valkey, connect: Connect) -> None:
    """And go by themselves if nobody sweeps; a touch lets them live longer."""
    side = connect(server.url())
    _, row = side.added()
    for kind in ("s", "i", "u"):
        assert abs(lives(server, kind) - (DAY + _MARGIN)) < _MINUTE
    side.do("touch", [Touch(row.id, row.created_at + HOUR, row.created_at + 3 * DAY)])
    for kind in ("s", "i", "u"):
        assert abs(lives(server, kind) - (3 * DAY + _MARGIN)) < _MINUTE


def test_an_absolute_expiry_is_no_later_for_a_touch(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    now = side.now()
    _, row = side.added(expires_at=now + DAY)
    side.do("touch", [Touch(row.id, now + HOUR, now + 9 * DAY)])
    assert abs(lives(server, "s") - (DAY + _MARGIN)) < _MINUTE


def test_a_users_index_lives_as_long_as_the_longest_of_its_sessions(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    now = side.now()
    side.added(idle_expires_at=now + 9 * DAY)
    side.added(idle_expires_at=now + DAY)
    assert abs(lives(server, "u") - (9 * DAY + _MARGIN)) < _MINUTE


@pytest.mark.parametrize("there", ["swept", "listed", "full"])
def test_what_is_gone_leaves_the_indexes(server: Valkey, connect: Connect, there: str) -> None:
    """As when an entry's time is over before anybody has swept."""
    side = connect(server.url())
    expired = an_expired_row()
    side.added(expired)
    _, live = side.added()
    for key in keys(server):
        if ":s:" in key and server.run_cli("HGET", key, "id") == expired.id:
            server.run_cli("DEL", key)
    if there == "swept":
        assert side.do("sweep", 10) == []
    elif there == "full":
        assert side.create(to_create(a_row(side.now()), limit=2)).evicted == ()
    assert live.id in side.ids("ann")
    assert expired.id not in side.ids() + side.ids("ann")
    if there != "listed":
        (index,) = [key for key in keys(server) if key.endswith(":e")]
        assert expired.id not in server.run_cli("ZRANGE", index, "0", "-1").splitlines()


def test_times_are_exact_and_far_away(server: Valkey, connect: Connect) -> None:
    """Microseconds have 16 digits, more than Lua writes by itself."""
    side = connect(server.url(), clock=ManualClock(from_micros(7_999_999_999_999_999)))
    row = a_row(7_999_999_999_999_999, idle_expires_at=8_000_000_000_000_001)
    token_hash, _ = side.added(row)
    assert side.read(token_hash).record == row
    side.do("touch", [Touch(row.id, row.last_seen_at + 1, row.idle_expires_at + 2)])
    found = side.read(token_hash).record
    assert found is not None
    assert (found.last_seen_at, found.idle_expires_at) == (row.last_seen_at + 1, row.idle_expires_at + 2)
    assert side.poll().now == 7_999_999_999_999_999_000


def test_data_come_back_as_they_were(server: Valkey, connect: Connect) -> None:
    """Joining them in Lua would make 1.0 of 1, 1e15 of large numbers, and {} of []."""
    side = connect(server.url())
    data = '{"n":1.0,"big":12345678901234567890,"empty":[],"none":{},"nothing":null,"s":"\\u0000/"}'
    old = to_create(side_row := a_row(side.now(), user_id=None, data=data))
    side.create(old)
    saved = side.do("save", SessionChange(side_row.id, {"new": []}, (), MANY_BYTES))
    assert saved.data == data[:-1] + ',"new":[]}'
    names = ("n", "big", "empty", "none", "nothing", "s")
    new = to_create(a_row(side.now(), data="{}"), replaces=old.token_hash, carry_over=names)
    moved = side.create(new).record.data
    assert moved.replace(" ", "") == data
    found = side.read(new.token_hash).record
    assert found is not None
    assert found.data == moved


def test_very_many_entries_raise_the_floor(server: Valkey, connect: Connect) -> None:
    """Instead of being learned one by one."""
    side = connect(server.url())
    side.do("invalidate_user", "ann")
    known = side.poll()
    script = (
        "for i = 1, ARGV[1] do redis.call('XADD', KEYS[2], (i + 1) .. '-0', 's', 'u:x', 't', 1) end "
        "return redis.call('HSET', KEYS[1], 'position', ARGV[1] + 2)"
    )
    with server.client() as client:
        client.eval(script, 2, "{coatcheck}:meta", "{coatcheck}:log", FLOOD + 1)
    page = side.poll(known.cursor)
    assert page.resumed
    assert page.entries == ()
    assert page.floor == page.cursor.position == FLOOD + 3
    assert side.poll(page.cursor).floor == 1
    token_hash, _ = side.added()
    side.revoke(token_hash=token_hash)
    assert len(side.poll(page.cursor).entries) == 1

"""What a miss asks in plain commands: the same as the script, in an order that is safe, and no answer gets lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from coatcheck.errors import Unavailable
from coatcheck.stores.valkey.question import Question
from coatcheck.testing._rows import DAY, a_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.stores.base import Reading
    from tests.servers.valkey import Valkey
    from tests.valkey.sides import Side

    Connect = Callable[..., Side]

EVERYTHING = {"data": '{"a":"ä"}', "remember": True, "ip": "192.0.2.1", "user_agent": "Lynx/2.9"}
NOTHING = {"user_id": None, "authenticated_at": None, "expires_at": None, "ip": None, "user_agent": None}


def by_script(side: Side, token_hash: bytes) -> Reading:
    return cast("Reading", side.do("_read", "hash", token_hash.hex()))


def asked(side: Side, token_hash: bytes) -> Reading | None:
    return cast("Reading | None", side.do("_asked", token_hash))


@pytest.mark.parametrize("fields", [EVERYTHING, NOTHING], ids=["everything", "nothing"])
def test_a_session_reads_like_by_the_script(fields: dict[str, Any], server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    token_hash, row = side.added(**fields)
    side.read(token_hash)
    found, expected = asked(side, token_hash), by_script(side, token_hash)
    assert found is not None
    assert found.record == expected.record == row
    assert found._replace(now=0) == expected._replace(now=0)
    assert 0 <= expected.now - found.now < DAY * 1000
    unknown = asked(side, a_hash())
    assert unknown == expected._replace(record=None, now=0 if unknown is None else unknown.now)


def test_where_the_log_stands_is_asked_before_the_session_is(server: Valkey, connect: Connect) -> None:
    """A change in between makes the copy older than it is, and never younger: see decision 0018."""
    side = connect(server.url())
    token_hash, _ = side.added()
    side.read(token_hash)
    generation = side.store._generation
    packet = Question("{coatcheck}:meta").about(generation, token_hash)
    assert packet.index(b"position") < packet.index(token_hash.hex().encode())
    assert packet.count(b"*") == 4


def test_N10_sessions_of_an_older_generation_are_not_read(server: Valkey, connect: Connect) -> None:
    """Whoever still asks for them is told that there is another, and asks again."""
    side, other = connect(server.url()), connect(server.url())
    token_hash, _ = side.added()
    assert side.read(token_hash).record is not None
    other.do("revoke_everyone")
    assert asked(side, token_hash) is None
    assert side.read(token_hash).record is None


def test_an_error_among_the_answers_leaves_none_of_them_for_another(server: Valkey, connect: Connect) -> None:
    """The connection is given up, or its next user would be told what this one has asked."""
    side = connect(server.url())
    (good, row), (bad, _) = side.added(), side.added()
    side.read(good)
    (key,) = [key for key in server.run_cli("KEYS", "*").splitlines() if key.endswith(f":s:{bad.hex()}")]
    meta = server.run_cli("HGETALL", "{coatcheck}:meta").splitlines()
    server.run_cli("SET", key, "no hash")
    server.run_cli("SET", "{coatcheck}:meta", "no hash either")
    with pytest.raises(Unavailable):
        side.read(good)
    server.run_cli("DEL", "{coatcheck}:meta")
    server.run_cli("HSET", "{coatcheck}:meta", *meta)
    with pytest.raises(Unavailable):
        side.read(bad)
    assert side.read(good).record == row

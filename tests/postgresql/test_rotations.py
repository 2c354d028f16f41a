"""A session that is given its next token ends all the same, for those who know the token before."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.stores.base import Renewal, Selection
from coatcheck.testing._rows import a_hash, a_row, to_create
from tests.postgresql.hands import plain, run
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.postgresql.sides import Side

    Connect = Callable[..., Side]

BLOCKED = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
GRACE = 30_000_000


def sign_out(side: Side, token_hash: bytes) -> Any:
    """End the session of a token."""
    return side.do("revoke", Selection(token_hash=token_hash))


def sign_in_anew(side: Side, token_hash: bytes) -> Any:
    """Begin another session in the place of a token's."""
    return side.create(to_create(a_row(side.now(), user_id="bob"), replaces=token_hash)).replaced


@pytest.mark.parametrize("end", [sign_out, sign_in_anew])
def test_L1_L7_L16_who_comes_while_the_next_token_is_being_committed_ends_the_session(
    postgresql_url: str, threads: Connect, end: Callable[[Side, bytes], Any]
) -> None:
    side = threads(postgresql_url)
    new = to_create(a_row(side.now()))
    side.create(new)
    ended: list[Any] = []
    with plain(postgresql_url, autocommit=False) as connection:
        renewal = Renewal(new.token_hash, a_hash(), bytes(32), GRACE)
        assert side.do("renew", renewal, connection=connection)
        other = threading.Thread(target=lambda: ended.append(end(side, new.token_hash)))
        other.start()
        until(partial(run, postgresql_url, BLOCKED), "the other waits for the row")
        connection.commit()
        other.join(DEADLINE)
    assert ended[0]
    assert side.ids("ann") == []

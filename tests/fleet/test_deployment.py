"""Fresh workers, as after a deployment: what the shared cache has, nobody reads from the authority.

`COATCHECK_ROUNDS=5` lets 10,000 sessions live.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from coatcheck import Sessions, TokenHash
from coatcheck.core.credentials import Credentials
from coatcheck.core.signing import KeyRing
from coatcheck.core.tokens import new_session_id, new_token
from coatcheck.stores.postgresql import PostgreSQLStore
from tests.fleet.fleet import fleet
from tests.fleet.worker import KEYS
from tests.processes.rounds import ROUNDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.valkey import Valkey

pytestmark = pytest.mark.processes

LIVE = 2_000 * ROUNDS
_FILLERS = 4
_REST = (
    "created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at, idle_timeout, remember, ip, user_agent, "
    "data, generation"
)
_COPY = f"""
    INSERT INTO coatcheck_sessions (token_hash, id, user_id, {_REST})
    SELECT new.hash, new.id, 'user ' || new.id, {_REST}
    FROM coatcheck_sessions AS one, unnest(%s::bytea[], %s::text[]) AS new (hash, id) WHERE one.id = %s
"""  # noqa: S608 - our own names


def _signed_in(url: str) -> list[str]:
    """Sign one in, and copy the row for the others, each of another user."""
    credentials = Credentials(TokenHash(), KeyRing(KEYS, deployment="coatcheck:session"))
    tokens = [new_token() for _ in range(LIVE)]
    hashes, ids = [credentials.hash_of_new(each) for each in tokens], [new_session_id() for _ in tokens]
    with Sessions(PostgreSQLStore(url), keys=KEYS) as sessions, psycopg.connect(url) as connection:
        connection.execute(_COPY, [hashes, ids, sessions.create("anna").session.id])
    return [credentials.issued(each).reveal() for each in tokens]


def test_four_fresh_workers_read_nothing_that_the_shared_cache_has(
    url: str, cache_server: Valkey, cache: str, show: Callable[[str], None]
) -> None:
    """With a patience that a busy machine does not exhaust; who runs out of it asks the authority."""
    tokens = _signed_in(url)
    for _ in range(_FILLERS):  # one that is in a hurry may drop copies on their way; the next one finds which
        with fleet(url, kinds=["async"], cache=cache, patience=1.0) as old:
            [answer] = old.ask("get_all", tokens=tokens)
        if not answer["reads"]:
            break
    assert int(cache_server.run_cli("DBSIZE")) >= LIVE
    with fleet(url, kinds=["async", "async", "async", "sync"], cache=cache, patience=1.0) as fresh:
        for number, worker in enumerate(fresh.workers):
            worker.tell("get_all", tokens=tokens[number::4])
        answers = fresh.hear()
    show(f"four fresh workers, {LIVE} live sessions, reads of the authority: {[each['reads'] for each in answers]}")
    assert answers == [{"accepted": LIVE // 4, "reads": 0}] * 4

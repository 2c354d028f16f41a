"""What ends with another session, on a real server: no order of two transactions leaves it alone (I3, L7)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import permutations
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import IsolationLevel

from coatcheck.core.authentication import Authentication
from coatcheck.errors import Unavailable
from coatcheck.testing._rows import a_row, to_create
from tests.postgresql.hands import plain, run
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from coatcheck.core.session import Record
    from coatcheck.stores.base import NewSession
    from tests.postgresql.sides import Side

pytestmark = pytest.mark.processes

BY_SUE = Authentication(actor="sue").text()
LEFT = (
    "SELECT count(*) FROM coatcheck_sessions AS s WHERE user_id = 'ann'"
    " AND generation = (SELECT generation FROM coatcheck_meta)"
)
BLOCKED = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
ENDS = {
    "delete": "DELETE FROM coatcheck_sessions WHERE id = %s",
    "delete all": "DELETE FROM coatcheck_sessions WHERE id = %s OR true",
    "other id": "UPDATE coatcheck_sessions SET id = 'other' WHERE id = %s",
    "everyone": "UPDATE coatcheck_meta SET generation = generation + 1 WHERE %s <> ''",
    "truncate": "TRUNCATE coatcheck_sessions",
}
LEVELS = [IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE]


class Hand:
    """One transaction of two, a step at a time; a step may have to wait for the other."""

    def __init__(self, url: str, level: IsolationLevel, do: Callable[[psycopg.Connection], Any]) -> None:
        self.connection = psycopg.connect(url)
        self.connection.isolation_level = level
        self._pool = ThreadPoolExecutor(1)
        # To look at something first is what fixes a snapshot at the stricter levels.
        look = [] if level == IsolationLevel.READ_COMMITTED else [lambda: self.connection.execute("SELECT 1")]
        self._steps = [*look, lambda: do(self.connection), self.connection.commit]
        self._done: list[Future[Any]] = []

    def step(self, waits: Callable[[], bool]) -> None:
        """Begin the next step, and wait until it is done or waits for the other."""
        future = self._pool.submit(self._steps.pop(0))
        self._done.append(future)
        until(lambda: future.done() or waits(), "the step to be done, or to wait for the other")

    def finish(self) -> Any:
        """Wait for all; returns what was done, or None if it came to nothing."""
        try:
            return [future.result(30) for future in self._done][-2]
        except (psycopg.errors.SerializationFailure, Unavailable):
            return None
        finally:
            self._pool.shutdown()
            self.connection.close()


@pytest.mark.parametrize("how", ENDS)
def test_I3_no_order_of_a_beginning_and_an_end_leaves_a_session(
    threads: Callable[..., Side], postgresql_url: str, how: str
) -> None:
    """On connections of their own, at every level: each order of their steps is tried, however they wait."""
    side = threads(postgresql_url)
    with plain(postgresql_url) as watch:

        def waits() -> bool:
            return bool(watch.execute(BLOCKED).fetchone())

        outcomes: set[tuple[bool, bool]] = set()
        for level in LEVELS:
            steps = 2 if level == IsolationLevel.READ_COMMITTED else 3
            for order in sorted(set(permutations("b" * steps + "e" * steps))):
                watch.execute("TRUNCATE coatcheck_sessions")
                _, actor = side.added(user_id="sue")
                new = to_create(a_row(side.do("poll", None).now // 1000, authentication=BY_SUE))
                hands = {
                    "b": Hand(postgresql_url, level, partial(_begin, side, new, actor.id)),
                    "e": Hand(postgresql_url, level, partial(_end, ENDS[how], actor.id)),
                }
                for turn in order:
                    hands[turn].step(waits)
                ended, began = (hands[turn].finish() is not None for turn in "eb")
                (left,) = watch.execute(LEFT).fetchone() or (None,)
                assert left == (began and not ended), f"{level.name} {''.join(order)}: {began=} {ended=}"
                outcomes.add((began, ended))
        assert {(True, True), (False, True)} <= outcomes, "each was first once"


def _begin(side: Side, new: NewSession, actor: str, connection: psycopg.Connection) -> Any:
    return side.do("create_acting", new, actor, connection=connection)


def _end(statement: str, actor: str, connection: psycopg.Connection) -> Any:
    return connection.execute(statement.encode(), (actor,) if "%s" in statement else None)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE coatcheck_sessions SET user_id = 'tom' WHERE id = %s",
        "DELETE FROM coatcheck_sessions WHERE id = %s",
    ],
)
def test_L7_by_hand_it_ends_and_says_so(threads: Callable[..., Side], postgresql_url: str, statement: str) -> None:
    """With nothing left behind."""
    side, actor, acting, cursor = _acting(threads, postgresql_url)
    run(postgresql_url, statement, actor.id)
    assert side.do("find", acting.id).record is None
    assert f"s:{acting.id}" in [entry.subject for entry in side.do("poll", cursor).entries]
    assert run(postgresql_url, "SELECT count(*) FROM coatcheck_impersonations") == [(0,)]


@pytest.mark.parametrize("column", ["idle_expires_at", "expires_at"])
def test_L4_by_hand_it_ends_earlier(threads: Callable[..., Side], postgresql_url: str, column: str) -> None:
    """When somebody shortens the session of who acts."""
    side, actor, acting, cursor = _acting(threads, postgresql_url)
    (end,) = run(
        postgresql_url,
        f"UPDATE coatcheck_sessions SET {column} = now() + interval '1 minute' WHERE id = %s"  # noqa: S608 - one of two
        f" RETURNING (extract(epoch FROM {column}) * 1000000)::bigint",
        actor.id,
    )[0]
    assert side.do("find", acting.id).record.expires_at == end
    assert f"s:{acting.id}" in [entry.subject for entry in side.do("poll", cursor).entries]


def _acting(threads: Callable[..., Side], url: str) -> tuple[Side, Record, Record, Any]:
    side = threads(url)
    _, actor = side.added(user_id="sue")
    new = to_create(a_row(side.do("poll", None).now // 1000, authentication=BY_SUE))
    acting = side.do("create_acting", new, actor.id)
    return side, actor, acting, side.do("poll", None).cursor

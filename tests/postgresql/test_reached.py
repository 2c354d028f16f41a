"""How far a poll has reached: transactions end in another order than they began in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.core.coherence import Entry, Knowledge
from tests.postgresql.hands import plain
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from tests.postgresql.sides import Side

    Connect = Callable[..., Side]

FIRST, SECOND = "k:first", "k:second"


def begun(connection: psycopg.Connection[Any]) -> int:
    """Return the number of a transaction, which it has from now on."""
    row = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    assert row is not None
    number: int = row[0]
    return number


def position(side: Side, subject: str) -> int:
    """Return where the entry about a subject stands."""
    return next(entry.position for entry in side.poll().entries if entry.subject == subject)


def test_I1_a_poll_reaches_no_further_than_the_oldest_open_transaction(connect: Connect, postgresql_url: str) -> None:
    """Its entry will stand before those that are in the log already, and must outdate what is read now."""
    side = connect(postgresql_url)
    cursor = side.poll().cursor
    with plain(postgresql_url, autocommit=False) as other:
        first = begun(other)
        side.do("invalidate", [SECOND])
        second = position(side, SECOND)
        assert second > first
        pages = [side.poll(), side.poll(cursor)]
        assert all(page.as_of <= first for page in pages)
        other.execute("SELECT coatcheck_invalidate(%s)", (FIRST,))
        other.commit()
    for page in pages:
        assert Entry(first, FIRST) not in page.entries
        assert Entry(first, FIRST) in side.poll(page.cursor).entries
    until(lambda: side.poll(cursor).as_of > second, "a poll reaches beyond both")


def test_I1_a_copy_that_claims_what_a_poll_reached_is_outdated_by_a_late_commit(
    connect: Connect, postgresql_url: str
) -> None:
    """Whoever reads between the poll and the commit has not seen what is committed."""
    side = connect(postgresql_url)
    with plain(postgresql_url, autocommit=False) as other:
        other.execute("SELECT coatcheck_invalidate(%s)", (FIRST,))
        side.do("invalidate", [SECOND])
        page = side.poll()
        known = Knowledge(page.epoch, lease=1)
        known.apply(page, 0)
        read_at = known.as_of
        other.commit()
    known.apply(side.poll(page.cursor), 0)
    assert not known.admits(read_at, [FIRST])
    assert known.admits(read_at, ["k:third"])


@pytest.mark.parametrize("commit", [True, False])
def test_subjects_are_invalidated_with_the_callers_transaction_or_not_at_all(
    threads: Connect, postgresql_url: str, commit: bool
) -> None:
    """All of them: a change of the data and the end of its copies are one."""
    side = threads(postgresql_url)
    with plain(postgresql_url, autocommit=False) as mine:
        side.do("invalidate", [FIRST, SECOND], connection=mine)
        page = side.poll()
        assert page.entries == ()
        if commit:
            mine.commit()
        else:
            mine.rollback()
    found = [entry.subject for entry in side.poll(page.cursor).entries]
    assert found == ([FIRST, SECOND] if commit else [])


def test_more_subjects_than_one_transaction_may_write_invalidate_everyone(
    threads: Connect, postgresql_url: str
) -> None:
    """Who has invalidated so much need not be told of each: every copy is read once more."""
    side = threads(postgresql_url)
    page = side.poll()
    side.do("invalidate", [f"k:{n}" for n in range(1500)])
    found = [entry.subject for entry in side.poll(page.cursor).entries]
    assert len(found) == 1001
    assert found.count("*") == 1

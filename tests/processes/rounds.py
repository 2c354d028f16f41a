"""Rounds of revocations under the eyes of validating workers, and what must come out of them."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from coatcheck import Sessions
from coatcheck.stores.sqlite import SQLiteStore
from tests.processes.fleet import KINDS, now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from coatcheck import Created, UsersTable
    from tests.processes.fleet import Fleet

ROUNDS = int(os.environ.get("COATCHECK_ROUNDS", "1"))
"""How many times as much as usual is done."""

LIVE = 4
"""Sessions in each round that nobody ends: they must always be accepted."""


@contextmanager
def plain(path: str, *, foreign_keys: bool = False) -> Iterator[sqlite3.Connection]:
    """Connect as any other program would; commits do not wait for the disk, as no machine stops here."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"PRAGMA foreign_keys = {int(foreign_keys)}")
        yield connection


@contextmanager
def opened(path: str, users: UsersTable | None = None) -> Iterator[Sessions]:
    """Open sessions in this process, which is the revoker's."""
    with Sessions(SQLiteStore(path, users=users, busy_timeout=60)) as sessions:
        yield sessions


def sign_in(path: str, sessions: Sessions, user_ids: Sequence[str]) -> list[Created]:
    """Create many sessions in one transaction."""
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        created = [sessions.create(user_id, connection=connection) for user_id in user_ids]
        connection.commit()
    return created


class End(NamedTuple):
    """When a session was ended: before the call that did it, and when that had been committed."""

    asked: int
    committed: int


def timed(call: Callable[[], object]) -> End:
    """Make a call, and note when it began and when it had been committed."""
    asked = now()
    call()
    return End(asked, now())


class Count(NamedTuple):
    """What came out, over all workers."""

    revocations: int = 0
    validations: int = 0
    refusals: int = 0
    accepted_after: int = 0
    refused_before: int = 0

    def plus(self, other: Count) -> Count:
        return Count(*map(sum, zip(self, other, strict=True)))


def count(tallies: Sequence[dict[str, Any]], ends: Sequence[End | None]) -> Count:
    """Compare what the workers noted with when each session was ended; None for one that was not."""
    late = early = 0
    for tally in tallies:
        for end, accepted, refused in zip(ends, tally["last_accepted"], tally["first_refused"], strict=True):
            if end is None:
                early += refused != 0
            else:
                late += accepted > end.committed or refused == 0
                early += 0 < refused < end.asked
    return Count(
        revocations=sum(end is not None for end in ends),
        validations=sum(tally["accepted"] + tally["refused"] for tally in tallies),
        refusals=sum(tally["refused"] for tally in tallies),
        accepted_after=late,
        refused_before=early,
    )


def run(
    workers: Fleet,
    sessions: Sessions,
    *,
    rounds: int,
    dying: Callable[[], Sequence[str]],
    end: Callable[[Sequence[Created]], list[End]],
    living: str | None = "lives",
) -> Count:
    """Sign users in, have all their sessions validated, and end them meanwhile.

    Args:
        workers: Who validates.
        sessions: Who signs in.
        rounds: How many times.
        dying: Returns the users of the sessions to be ended in a round.
        end: Ends them, and says when.
        living: The user of sessions that nobody ends; None for none of them.
    """
    total = Count()
    live = sign_in(workers.path, sessions, [living] * LIVE if living else [])
    for _ in range(rounds * ROUNDS):
        doomed = sign_in(workers.path, sessions, dying())
        with workers.validating([each.token.reveal() for each in [*doomed, *live]]) as tallies:
            ends = end(doomed)
        assert len(ends) == len(doomed)
        total = total.plus(count(tallies, [*ends, *[None for _ in live]]))
    return total


def prove(total: Count, *, revocations: int) -> None:
    """Verify that no session was accepted after its end, and none refused before."""
    print(total)  # noqa: T201 - pytest shows it with -s
    assert total.accepted_after == 0
    assert total.refused_before == 0
    assert total.revocations == revocations * ROUNDS
    assert total.refusals >= total.revocations * len(KINDS)
    assert total.validations > 2 * total.refusals / len(KINDS)

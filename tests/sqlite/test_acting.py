"""What ends with another session ends with it, whatever statement somebody types (L7, L4)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.core.authentication import Authentication
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing._rows import HOUR, a_row, to_create

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coatcheck.core.session import Record

BY_SUE = Authentication(actor="sue").text()
INSERT = (
    "INSERT INTO coatcheck_sessions (token_hash, id, user_id, created_at, last_seen_at, idle_expires_at, idle_timeout)"
)
REPLACE = INSERT.replace("INSERT", "INSERT OR REPLACE")


class Hand:
    """A program on the same file, as the sqlite3 shell is: without foreign keys, and without a word to us."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.store = SQLiteStore(path)
        self.store.open()
        now = self.store.poll(None).now // 1000
        self.actor = a_row(now, user_id="sue")
        self.hash = to_create(self.actor)
        self.store.create(self.hash)
        made = self.store.create_acting(
            to_create(a_row(now, expires_at=now + HOUR, authentication=BY_SUE)), self.actor.id
        )
        assert made is not None
        self.acting: Record = made
        self.cursor = self.store.poll(None).cursor

    def run(self, *statements: str) -> list[Any]:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for statement in statements:
                rows = connection.execute(
                    statement, {"id": self.actor.id, "hash": self.hash.token_hash, "now": self.actor.created_at}
                ).fetchall()
        return rows

    def subjects(self) -> list[str]:
        return [entry.subject for entry in self.store.poll(self.cursor).entries]


@pytest.fixture
def hand(tmp_path: Path) -> Iterator[Hand]:
    hand = Hand(str(tmp_path / "app.db"))
    yield hand
    hand.store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM coatcheck_sessions WHERE id = :id",
        "DELETE FROM coatcheck_sessions WHERE :id <> ''",
        f"{REPLACE} VALUES (randomblob(32), :id, 'tom', 1, 1, 9e15, 1)",
        f"{REPLACE} VALUES (:hash, 'x', 'tom', 1, 1, 9e15, 1)",
        "UPDATE OR REPLACE coatcheck_sessions SET token_hash = :hash WHERE id = 'other'",
        "UPDATE OR REPLACE coatcheck_sessions SET id = :id WHERE id = 'other'",
        "UPDATE coatcheck_sessions SET id = 'renamed' WHERE id = :id",
        "UPDATE coatcheck_sessions SET user_id = 'tom' WHERE id = :id",
    ],
)
def test_L7_it_ends_by_whatever_ends_the_session_of_who_acts(hand: Hand, statement: str) -> None:
    """And says so, so that no copy of it is served."""
    hand.run(f"{INSERT} VALUES (randomblob(32), 'other', 'tom', 1, 1, 9e15, 1)", statement)
    assert hand.store.find(hand.acting.id).record is None
    assert f"s:{hand.acting.id}" in hand.subjects()


def test_L7_what_ends_quietly_says_that_this_does_not(hand: Hand) -> None:
    """A sweep that finds the other session over writes no entry for that, but copies of this one may be served."""
    hand.run(
        "UPDATE coatcheck_meta SET quiet = 1",
        "DELETE FROM coatcheck_sessions WHERE id = :id",
        "UPDATE coatcheck_meta SET quiet = 0",
    )
    assert set(hand.subjects()) == {f"s:{hand.acting.id}"}
    assert hand.run("SELECT count(*) FROM coatcheck_impersonations") == [(0,)]


@pytest.mark.parametrize("column", ["idle_expires_at", "expires_at"])
def test_L4_it_ends_earlier_when_somebody_shortens_the_other(hand: Hand, column: str) -> None:
    hand.run(f"UPDATE coatcheck_sessions SET {column} = :now + 60000000 WHERE id = :id")  # noqa: S608 - one of two
    row = hand.store.find(hand.acting.id).record
    assert row is not None
    assert row.expires_at == hand.actor.created_at + 60_000_000
    assert f"s:{hand.acting.id}" in hand.subjects()

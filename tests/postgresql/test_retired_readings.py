"""A retired token is read by two statements; whatever is committed between them, the answer of the second is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.stores.base import Renewal, Rotation, Selection
from coatcheck.testing._rows import a_hash, a_row, to_create

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from coatcheck.stores.base import Reading
    from coatcheck.stores.operations import Operation, Row, Statement
    from tests.postgresql.sides import Side

    Connect = Callable[..., Side]

GRACE = 30_000_000


def renewed(side: Side, token_hash: bytes, *, grace: int = GRACE) -> bytes:
    """Retire a token; returns its successor."""
    new_hash = a_hash()
    side.do("renew", Renewal(token_hash, new_hash, bytes(32), grace))
    return new_hash


def statements_of(side: Side, token_hash: bytes, change: Callable[[], object]) -> tuple[Reading, int]:
    """Read a token, with a change after the first statement; returns what was read, and by how many statements."""
    asked: list[Statement] = []

    def operation() -> Generator[Statement, list[Row], Reading]:
        reading: Operation[Reading] = side.store._operations.read(token_hash, side.store._now())
        statement = next(reading)
        while True:
            asked.append(statement)
            rows = yield statement
            if len(asked) == 1:
                change()
            try:
                statement = reading.send(rows)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    return side.wait_for(side.store._connections.single(operation, reads=True)), len(asked)


def ends(side: Side, _: bytes, new_hash: bytes) -> None:
    assert side.revoke(token_hash=new_hash)


def is_rotated(side: Side, _: bytes, new_hash: bytes) -> None:
    assert side.do("rotate", Rotation(new_hash, a_hash()))


def is_renewed_again(side: Side, _: bytes, new_hash: bytes) -> None:
    renewed(side, new_hash)


def is_forgotten(side: Side, old_hash: bytes, _: bytes) -> None:
    assert side.do("reuse", old_hash, end=False)


def ends_with_everyone(side: Side, _: bytes, __: bytes) -> None:
    assert side.do("revoke_everyone")


@pytest.mark.parametrize(
    ("change", "grace"),
    [(ends, GRACE), (is_rotated, GRACE), (is_renewed_again, GRACE), (ends_with_everyone, GRACE), (is_forgotten, 0)],
)
def test_L7_L16_what_happens_between_the_statements_is_seen(
    postgresql_url: str,
    connect: Connect,
    threads: Connect,
    change: Callable[[Side, bytes, bytes], None],
    grace: int,
) -> None:
    """As if the reading had begun with the second: that one's answer, and that one's position in the log."""
    side, other = connect(postgresql_url), threads(postgresql_url)
    old_hash, _ = side.added()
    new_hash = renewed(side, old_hash, grace=grace)
    reading, count = statements_of(side, old_hash, lambda: change(other, old_hash, new_hash))
    assert count == 2
    assert reading._replace(now=0) == side.read(old_hash)._replace(now=0)
    assert reading.record is None
    assert all(entry.position < reading.as_of for entry in side.poll().entries)


def test_L16_a_token_that_is_retired_after_it_was_found_is_still_read_as_it_stood(
    postgresql_url: str, connect: Connect, threads: Connect
) -> None:
    """And its position in the log is before the entry that outdates it."""
    side, other = connect(postgresql_url), threads(postgresql_url)
    token_hash, row = side.added()
    reading, count = statements_of(side, token_hash, lambda: renewed(other, token_hash))
    assert count == 1
    assert (reading.record, reading.retired) == (row, None)
    assert reading.as_of <= max(entry.position for entry in side.poll().entries)


def test_a_token_that_was_never_retired_costs_one_statement(postgresql_url: str, connect: Connect) -> None:
    """Whether it is a session's or nobody's."""
    side = connect(postgresql_url)
    ended = to_create(a_row(side.now()))
    side.create(ended)
    assert side.do("revoke", Selection(token_hash=ended.token_hash))
    token_hash, row = side.added()

    def nothing() -> Any:
        return None

    for presented, record in ((token_hash, row), (ended.token_hash, None), (a_hash(), None)):
        reading, count = statements_of(side, presented, nothing)
        assert (reading.record, reading.retired, count) == (record, None, 1)

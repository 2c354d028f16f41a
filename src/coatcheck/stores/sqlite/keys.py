"""The unique keys of a table of the application: which rows an OR REPLACE would silently remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Answer(Protocol):
    """What a connection answers."""

    def fetchall(self) -> list[Any]:
        """Return all rows."""
        ...


class Reads(Protocol):
    """A connection that can be asked for its schema: one of sqlite3, or what D1 has answered."""

    def execute(self, sql: str, parameters: Any = (), /) -> Answer:
        """Run one statement."""
        ...


def columns_of(connection: Reads, table: str) -> list[str]:
    """Return the names of a table's columns, generated ones included; none when there is no such table."""
    return [row[1] for row in connection.execute(f'PRAGMA table_xinfo("{table}")').fetchall()]


def unique_columns(connection: Reads, table: str) -> set[tuple[str | None, ...]]:
    """Return the columns of the primary key and of each unique index; None stands for an expression."""
    rows = connection.execute(f'PRAGMA table_xinfo("{table}")').fetchall()
    keys: set[tuple[str | None, ...]] = {tuple(row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5])}
    for index in _unique_indexes(connection, table):
        keys.add(tuple(name for name, _ in _parts(connection, index)))
    return keys - {()}


def conflicts(connection: Reads, table: str) -> str:
    """Return the condition under which a row of the table stands in the way of the row NEW."""
    keys = [" AND ".join(f'"{column}" = NEW."{column}"' for column in _row_key(connection, table))]
    keys += [" AND ".join(_equal(connection, table, index)) for index in _unique_indexes(connection, table)]
    return " OR ".join(sorted({f"({key})" for key in keys if key})) or "FALSE"


def _row_key(connection: Reads, table: str) -> list[str]:
    """Return the primary key; where it is the row id, no index says so."""
    rows = connection.execute(f'PRAGMA table_xinfo("{table}")').fetchall()
    return [row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5]]


def _equal(connection: Reads, table: str, index: str) -> Iterator[str]:
    """Yield a comparison for each part of an index, by the index's own collation."""
    texts = _texts(connection, index)
    columns = ", ".join(f'NEW."{column}" AS "{column}"' for column in columns_of(connection, table))
    for number, (name, collation) in enumerate(_parts(connection, index)):
        if name is not None:
            yield f'"{name}" = NEW."{name}" COLLATE {collation}'
        else:
            # The expression, over the row that is there and over the one that comes.
            text = texts[number]
            yield f"({text}) = (SELECT {text} FROM (SELECT {columns})) COLLATE {collation}"  # noqa: S608 - the schema's own


def _unique_indexes(connection: Reads, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f'PRAGMA index_list("{table}")').fetchall() if row[2]]


def _parts(connection: Reads, index: str) -> list[tuple[str | None, str]]:
    """Return name and collation of each key column of an index."""
    rows = connection.execute(f'PRAGMA index_xinfo("{index}")').fetchall()
    return [(name, collation) for _, _, name, _, collation, key in rows if key]


def _texts(connection: Reads, index: str) -> list[str]:
    """Return the parts of an index as its CREATE INDEX statement writes them, without their direction."""
    rows = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?", (index,)).fetchall()
    sql: str = rows[0][0] or ""
    parts: list[str] = []
    depth, quote, start = 0, "", 0
    for at, character in enumerate(sql):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character == "(":
            depth += 1
            start = at + 1 if depth == 1 else start
        elif character in ",)" and depth == 1:
            parts.append(sql[start:at].strip())
            start, depth = at + 1, depth - (character == ")")
            if depth == 0:
                break
        elif character == ")":
            depth -= 1
    return [_without_direction(part) for part in parts]


def _without_direction(part: str) -> str:
    head, _, last = part.rpartition(" ")
    return head.strip() if head and last.upper() in {"ASC", "DESC"} else part

"""Hands on the database from outside: other programs, other roles, and what is in the tables."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def plain(url: str, *, autocommit: bool = True) -> Iterator[psycopg.Connection[Any]]:
    """Connect as any other program would."""
    with psycopg.connect(url, autocommit=autocommit) as connection:
        yield connection


def run(url: str, statement: str, *values: Any) -> list[Any]:
    """Run one statement on a connection of its own."""
    with plain(url) as connection:
        cursor = connection.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def script(url: str, statements: str) -> None:
    """Run several statements, each in a transaction of its own, on one connection."""
    with plain(url) as connection:
        for statement in filter(None, map(str.strip, statements.split(";"))):
            connection.execute(statement.encode())


def subjects(url: str) -> list[str]:
    """Return what the log's entries name, in their order."""
    return [row[0] for row in run(url, "SELECT subject FROM coatcheck_log ORDER BY position, subject")]


def fill(url: str, count: int, *, user: str = "ann") -> None:
    """Insert so many live sessions of a user, whose hashes are those of the numbers from 1 on."""
    run(
        url,
        "INSERT INTO coatcheck_sessions"
        " (token_hash, id, user_id, created_at, last_seen_at, idle_expires_at, idle_timeout)"
        " SELECT sha256(convert_to(n::text, 'UTF8')), 'id' || n, %s, now(), now(), now() + interval '1 day',"
        " interval '1 day' FROM generate_series(1, %s) AS n",
        user,
        count,
    )


@contextmanager
def role(url: str, name: str, *grants: str) -> Iterator[str]:
    """Make a role that may log in and do what is granted, and return the URL it connects with."""
    with plain(url) as connection:
        identifier = sql.Identifier(name)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(identifier))
        try:
            for grant in grants:
                connection.execute(sql.SQL(grant).format(role=identifier))
            yield url.replace("postgres@", f"{name}@")
        finally:
            connection.execute(sql.SQL("REASSIGN OWNED BY {} TO postgres").format(identifier))
            connection.execute(sql.SQL("DROP OWNED BY {}").format(identifier))
            connection.execute(sql.SQL("DROP ROLE {}").format(identifier))


def make_users(url: str, *, count: int = 3) -> None:
    """Create the application's users table, with users 1 to `count`."""
    run(url, "CREATE TABLE users (id integer PRIMARY KEY, name text, email text UNIQUE, role text)")
    run(url, "INSERT INTO users SELECT n, 'Name ' || n, 'u' || n FROM generate_series(1, %s) AS n", count)


def content(url: str) -> dict[str, dict[str, Any]]:
    """Return everything that is committed, of coatcheck and of the application, by its key."""
    tables = {
        "sessions": "SELECT id, md5(s::text) FROM coatcheck_sessions AS s",
        "log": "SELECT ctid::text, subject FROM coatcheck_log",
        "meta": "SELECT one, generation FROM coatcheck_meta",
        "users": "SELECT id::text, md5(u::text) FROM users AS u",
    }
    with plain(url) as connection:
        return {name: dict(connection.execute(query.encode()).fetchall()) for name, query in tables.items()}

"""What docs/postgresql.md says in SQL is so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from coatcheck import NotSignedIn, Sessions
from coatcheck.stores.postgresql import PostgreSQLStore
from tests.docs.test_samples import ROOT, blocks_of
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.postgresql import PostgreSQL

PAGE = ROOT / "docs" / "postgresql.md"

PARTITIONED = """
    ALTER TABLE coatcheck_sessions RENAME TO old;
    CREATE TABLE coatcheck_sessions (LIKE old INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (token_hash))
        PARTITION BY HASH (token_hash);
    CREATE TABLE part PARTITION OF coatcheck_sessions FOR VALUES WITH (MODULUS 1, REMAINDER 0);
    DROP TABLE old;
"""


def run(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


def sql_with(words: str) -> str:
    """Return the block of the page that says so."""
    return next(code for language, code in blocks_of(PAGE) if language == "sql" and words in code)


@pytest.fixture
def narrow_url(postgresql: PostgreSQL, postgresql_url: str) -> Iterator[str]:
    """Make the tables, and then the page's role, with no more rights than the page gives it."""
    with Sessions(postgresql_url):
        pass
    database = postgresql_url.rpartition("/")[2]
    postgresql.execute(f"REVOKE ALL ON SCHEMA public FROM PUBLIC; {sql_with('CREATE ROLE')}", database)
    yield postgresql_url.replace("postgres@", "shop_web@")
    postgresql.execute("DROP OWNED BY shop_web; DROP ROLE shop_web", database)


@pytest.mark.parametrize("migrate", [True, False], ids=["with migrate", "without"])
def test_the_rights_of_the_page_are_enough(narrow_url: str, *, migrate: bool) -> None:
    """For every verb."""
    with Sessions(PostgreSQLStore(narrow_url, migrate=migrate)) as sessions:
        first = sessions.create("ada", ip="192.0.2.1")
        assert sessions.get(first.token)
        assert sessions.save(first.session, {"theme": "dark"})
        assert sessions.note_client(first.session, ip="192.0.2.9", user_agent="other")
        second = sessions.rotate(first.token, reauthenticated=True)
        assert second
        assert sessions.recheck(second.session)
        assert sessions.find(first.session.id)
        assert len(sessions.list("ada")) == len(sessions.list_active()) == 1
        sessions.flush()
        sessions.invalidate_user("ada")
        assert sessions.revoke(second.token)
        sessions.create("bob")
        assert sessions.revoke_everyone() == 1
        sessions.sweep()
        assert sessions.health().ready
        assert sessions.store.problems() == []


@pytest.mark.parametrize("together", [True, False], ids=["in the same transaction", "afterwards"])
def test_what_no_trigger_sees_is_refused_after_the_entry_of_the_page(postgresql_url: str, *, together: bool) -> None:
    """Without it the session is still served from memory, as the page says."""
    with Sessions(postgresql_url):
        run(postgresql_url, PARTITIONED)
    with Sessions(postgresql_url) as sessions:
        token = sessions.create("ada").token
        assert sessions.get(token)
        gone, entry = "ALTER TABLE coatcheck_sessions DETACH PARTITION part;", sql_with("coatcheck_invalidate")
        if together:
            run(postgresql_url, f"BEGIN; {gone} {entry} COMMIT")
        else:
            run(postgresql_url, gone)
            assert sessions.get(token)
            run(postgresql_url, entry)
        until(lambda: sessions.get(token) is NotSignedIn.UNKNOWN, "it is refused")

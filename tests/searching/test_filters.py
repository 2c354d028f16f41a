"""A filter means the same in every store: what a plain predicate in Python says (L13)."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck import Filter, Sessions, SessionSearch, UsersTable
from coatcheck.stores.postgresql import PostgreSQLStore
from coatcheck.stores.searching import MANY, matches
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.stores.valkey import ValkeyStore
from coatcheck.testing import ManualClock
from coatcheck.testing._filters import a_crowd, a_filter, in_order
from coatcheck.testing._rows import to_create
from tests.postgresql import hands
from tests.sqlite.helpers import make_users, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from random import Random

    from coatcheck.core.session import Record
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.valkey import Valkey


@pytest.fixture(scope="module")
def crowd() -> list[Record]:
    return a_crowd(ManualClock().now() // 1000)


@pytest.fixture(scope="module")
def stores(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL, valkey: Valkey, crowd: list[Record]
) -> Iterator[dict[str, Any]]:
    """The same crowd in each."""
    valkey.empty()
    clock = ManualClock()
    made: dict[str, Any] = {
        "SQLite": SQLiteStore(str(tmp_path_factory.mktemp("crowd") / "app.db"), clock=clock),
        "Valkey": ValkeyStore(valkey.url(), clock=clock),
        "PostgreSQL": PostgreSQLStore(postgresql.url(postgresql.create_database()), clock=clock),
    }
    with ExitStack() as stack:
        for store in made.values():
            store.open()
            stack.callback(store.close)
            for row in crowd:
                store.create(to_create(row))
        yield made


@given(random=st.randoms(use_true_random=False))
def test_L13_every_store_agrees_with_a_plain_predicate(
    stores: dict[str, Any], crowd: list[Record], random: Random
) -> None:
    wanted = a_filter(random, crowd)
    expected = in_order(row for row in crowd if matches(wanted, row))
    for name, store in stores.items():
        found = store.search(wanted, limit=100)
        assert [row.id for row in found] == [row.id for row in expected], (name, wanted)
        assert store.count_matching(wanted) == len(expected), (name, wanted)


# --- with a users table

_PEOPLE = "(1, 'Ada 100%', 'ada@example.org'), (2, 'Bob_by', 'BOB@example.org'), (3, NULL, NULL), (4, 'Dan', NULL)"


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def sessions(request: pytest.FixtureRequest, tmp_path: Path, empty_postgresql_url: str) -> Iterator[Sessions]:
    """Each of three users has a session, and a visitor; a fourth user's session is without its user."""
    store: SQLiteStore | PostgreSQLStore
    execute: Callable[[str], object]
    if request.param == "SQLite":
        path = str(tmp_path / "app.db")
        make_users(path, count=0)
        execute = partial(run, path)
        store = SQLiteStore(path, users=UsersTable())
    else:
        execute = partial(hands.run, empty_postgresql_url)
        execute("CREATE TABLE users (id bigint PRIMARY KEY, name text, email text, role text)")
        store = PostgreSQLStore(empty_postgresql_url, users=UsersTable())
    execute(f"INSERT INTO users (id, name, email) VALUES {_PEOPLE}")  # noqa: S608 - written above
    with Sessions(store) as sessions:
        for user_id in ("1", "2", "3", None, "4"):
            sessions.create(user_id, user_agent="Firefox")
        execute("UPDATE users SET id = 5 WHERE id = 4")
        yield sessions


@pytest.mark.parametrize(
    ("wanted", "users"),
    [
        (Filter(text="ADA"), {"1"}),
        (Filter(text="bob@"), {"2"}),
        (Filter(text="%"), {"1"}),
        (Filter(text="o__"), set()),
        (Filter(text="ob_"), {"2"}),
        (Filter(text="firefox"), {"1", "2", "3", None}),
        (Filter(user_id="4"), set()),
        (Filter(user_id="3"), {"3"}),
        (Filter(text="100%", user_id="2"), set()),
    ],
)
def test_L13_names_and_addresses_are_searched(sessions: Sessions, wanted: Filter, users: set[str | None]) -> None:
    search = SessionSearch(sessions)
    assert {session.user_id for session in search.find(wanted).sessions} == users
    assert search.count(wanted) == search.revoke(wanted) == len(users)
    assert search.count() == 4 - len(users)


def test_L13_of_very_many_one_entry_tells_everyone(empty_postgresql_url: str) -> None:
    """A worker learns that, and not each of them."""
    with Sessions(PostgreSQLStore(empty_postgresql_url)) as sessions:
        stays = sessions.create("bob")
        hands.fill(empty_postgresql_url, 3 * MANY)
        assert SessionSearch(sessions).revoke(Filter(user_id="ann")) == 3 * MANY
        subjects = hands.subjects(empty_postgresql_url)
        assert subjects.count("*") == 1
        assert len(subjects) <= MANY + 1
        assert sessions.get(stays.token)


def test_L13_valkey_walks_all_of_its_index(valkey_url: str) -> None:
    """In several scripts, of which one that comes after a thousand endings writes one entry for everyone."""
    with Sessions(ValkeyStore(valkey_url)) as sessions:
        stays, search = sessions.create("bob"), SessionSearch(sessions)
        for _ in range(MANY + 200):
            sessions.create("ann")
        assert search.count(Filter(text="ANN", signed_in=True)) == MANY + 200
        assert search.find(Filter(user_id="bob")).sessions == [stays.session]
        before = sessions.store.poll(None)
        assert search.revoke(Filter(user_id="ann")) == MANY + 200
        subjects = [entry.subject for entry in sessions.store.poll(before.cursor).entries]
        assert subjects.count("*") >= 1
        assert len(subjects) <= MANY + 1
        assert search.count() == 1
        assert sessions.get(stays.token)

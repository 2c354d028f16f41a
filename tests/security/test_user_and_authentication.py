"""What a session says of its user, and of when that was proved."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from coatcheck import Session, Sessions, UsersTable
from coatcheck.testing import ManualClock

if TYPE_CHECKING:
    from pathlib import Path


def test_L18_a_changed_role_is_seen_by_the_next_request(tmp_path: Path) -> None:
    """Nothing of the user is frozen into the session, and no cached copy outlives a change."""
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, role TEXT)")
        database.execute("INSERT INTO users VALUES (1, 'Ada', 'ada@example.org', 'admin')")
        with Sessions(f"sqlite:///{path}", users=UsersTable()) as sessions:
            token = sessions.create("1").token
            for role in ("admin", "reader", None):
                database.execute("UPDATE users SET role = ?", (role,))
                session = sessions.get(token)
                assert isinstance(session, Session)
                assert session.user is not None
                assert session.user.role == role


def test_A4_the_time_of_authentication_moves_only_with_authentication(tmp_path: Path) -> None:
    """Use and rotation leave it where it was; proving again who one is moves it."""
    clock = ManualClock()
    with Sessions(f"sqlite:///{tmp_path}/app.db", clock=clock) as sessions:
        created = sessions.create("ada")
        began = created.session.authenticated_at
        clock.advance(timedelta(hours=1))
        assert sessions.get(created.token)
        rotated = sessions.rotate(created.token)
        assert rotated
        assert rotated.session.authenticated_at == began
        proved = sessions.rotate(rotated.token, reauthenticated=True)
        assert proved
        assert proved.session.authenticated_at == clock_time(clock)


def clock_time(clock: ManualClock) -> object:
    from coatcheck.core.times import from_micros

    return from_micros(clock.now() // 1000)

"""Paths, files and URLs that can never work are named, with the fix, when the sessions are opened."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coatcheck import AsyncSessions, ConfigurationError, DataError, SchemaError, Sessions, Unavailable, UsersTable
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore, migrations
from tests.sqlite.helpers import make_users, plain, run
from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import Callable


def missing_folder(folder: Path) -> str:
    return str(folder / "nowhere" / "app.db")


def a_folder(folder: Path) -> str:
    (folder / "app.db").mkdir()
    return str(folder / "app.db")


def a_file_as_folder(folder: Path) -> str:
    (folder / "file").write_text("x")
    return str(folder / "file" / "app.db")


def a_text(folder: Path) -> str:
    (folder / "app.db").write_text("This is no database, and long enough to be seen as none. " * 20)
    return str(folder / "app.db")


def cut_off(folder: Path) -> str:
    path = folder / "app.db"
    with Sessions(SQLiteStore(str(path))) as sessions:
        sessions.create("anna")
    path.write_bytes(path.read_bytes()[:50])
    return str(path)


BAD: dict[str, tuple[Callable[[Path], str], str]] = {
    "missing folder": (missing_folder, "does not exist; create it"),
    "a folder": (a_folder, "this is a folder; name a file in it"),
    "a file where a folder should be": (a_file_as_folder, "does not exist; create it"),
    "no database": (a_text, "no SQLite database"),
    "cut off": (cut_off, "no SQLite database"),
    "memory": (lambda _: ":memory:", "name a file"),
    "empty": (lambda _: "", "name a file"),
    "a URI": (lambda _: "file:app.db?mode=memory", "name a file"),
    "NUL": (lambda folder: f"{folder}/app\0.db", "NUL"),
}


@pytest.mark.parametrize("migrate", [True, False])
@pytest.mark.parametrize(("make", "fix"), BAD.values(), ids=BAD)
def test_a_path_that_can_never_work_is_refused_with_the_fix(
    tmp_path: Path, make: Callable[[Path], str], fix: str, migrate: bool
) -> None:
    path = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigurationError, match=fix) as raised:
        Sessions(SQLiteStore(path, migrate=migrate)).open()
    assert f"database={path!r}" in str(raised.value)
    assert sorted(tmp_path.rglob("*")) == before, "nothing may be created"


@pytest.mark.anyio
@pytest.mark.parametrize(("make", "fix"), BAD.values(), ids=BAD)
async def test_tasks_are_told_the_same(tmp_path: Path, make: Callable[[Path], str], fix: str) -> None:
    sessions = AsyncSessions(AsyncSQLiteStore(make(tmp_path)))
    with pytest.raises(ConfigurationError, match=fix):
        await sessions.open()
    await sessions.aclose()


@pytest.mark.parametrize(
    ("denied", "fix"),
    [
        ("file", "the file cannot be read and written by this user; change its owner or mode"),
        ("folder", "SQLite keeps its -wal file beside the database, and .* cannot be written"),
    ],
)
def test_a_file_or_folder_that_may_not_be_written_is_refused_with_the_fix(
    path: str, monkeypatch: pytest.MonkeyPatch, denied: str, fix: str
) -> None:
    """Permissions are stood in for: they do not hold for the administrator, who may be running the tests."""
    Sessions(SQLiteStore(path)).open().close()
    refusing = Path(path) if denied == "file" else Path(path).parent
    access = os.access
    monkeypatch.setattr(os, "access", lambda name, mode: Path(name) != refusing and access(name, mode))
    with pytest.raises(ConfigurationError, match=fix):
        Sessions(SQLiteStore(path)).open()


def test_a_file_that_the_driver_cannot_write_is_no_sign_out(path: str) -> None:
    """The system refuses a write that was allowed when the process started."""
    with Sessions(SQLiteStore(path)) as sessions:
        created = sessions.create("anna")
        store = sessions.store
        assert isinstance(store, SQLiteStore)
        assert store._database._writer is not None
        store._database._writer.execute("PRAGMA query_only = ON")
        with pytest.raises(Unavailable, match="readonly"):
            sessions.revoke(created.token)
        assert sessions.get(created.token)


URLS = {
    "another scheme": "oracle://anna:hunter2@host/app",
    "a driver in the scheme": "sqlite+aiosqlite:///app.db",
    "a host": "sqlite://app.db",
    "no slashes": "sqlite:app.db",
    "one slash": "sqlite:/app.db",
    "no path": "sqlite:///",
    "no path at all": "sqlite://",
    "a mere path": "/srv/app.db",
    "nothing": "",
    "a query": "sqlite:///app.db?mode=ro",
    "a fragment": "sqlite:///app#1.db",
    "a bracket": "sqlite://[",
    "upper case": "SQLITE:///app.db",
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
@pytest.mark.parametrize("kind", [Sessions, AsyncSessions])
def test_a_url_that_names_no_file_is_refused_with_the_right_form(
    url: str, kind: type[Sessions | AsyncSessions]
) -> None:
    with pytest.raises(ConfigurationError, match=r"sqlite:///app\.db|%3F and %23") as raised:
        kind(url)
    assert "hunter2" not in str(raised.value)


def test_a_url_s_path_is_decoded(tmp_path: Path) -> None:
    with Sessions(f"sqlite:///{tmp_path}/a%20b%23%3F%25.db") as sessions:
        sessions.create("anna")
    assert (tmp_path / "a b#?%.db").exists()


@pytest.mark.parametrize("name", ["a b.db", "a%20b.db", "a?b.db", "a#b.db", "ä.db", "'.db", '".db', "a;b.db", "-.db"])
def test_any_name_of_a_file_works(tmp_path: Path, name: str) -> None:
    """The same file is opened for reading, for writing and for migrating."""
    path = str(tmp_path / name)
    with Sessions(SQLiteStore(path)) as sessions:
        created = sessions.create("anna")
        assert sessions.get(created.token)
        assert run(path, "SELECT count(*) FROM coatcheck_sessions") == [(1,)]
    assert sorted(each.name for each in tmp_path.iterdir()) == [name]


def test_a_newer_schema_is_refused(path: str) -> None:
    """Whatever this release would do to it could be wrong."""
    Sessions(SQLiteStore(path)).open().close()
    run(path, "UPDATE coatcheck_meta SET schema = 99")
    for migrate in (True, False):
        with pytest.raises(SchemaError, match=r"schema 99, newer than \d+ of this release; upgrade coatcheck"):
            Sessions(SQLiteStore(path, migrate=migrate)).open()
    assert run(path, "SELECT schema FROM coatcheck_meta") == [(99,)]


def test_an_older_schema_is_refused_where_it_may_not_be_migrated(path: str) -> None:
    Sessions(SQLiteStore(path)).open().close()
    run(path, "UPDATE coatcheck_meta SET schema = 0")
    with pytest.raises(SchemaError, match=r"schema is version 0 of \d+: run `coatcheck migrate`"):
        Sessions(SQLiteStore(path, migrate=False)).open()


def test_an_empty_or_a_missing_file_is_refused_where_it_may_not_be_migrated(path: str) -> None:
    with pytest.raises((SchemaError, ConfigurationError), match="coatcheck migrate"):
        Sessions(SQLiteStore(path, migrate=False)).open()
    assert not Path(path).exists()
    Path(path).touch()
    with pytest.raises(SchemaError, match="coatcheck migrate"):
        Sessions(SQLiteStore(path, migrate=False)).open()


def test_a_meta_table_without_its_row_is_named(path: str) -> None:
    Sessions(SQLiteStore(path)).open().close()
    run(path, "DELETE FROM coatcheck_meta")
    for migrate in (True, False):
        with pytest.raises(SchemaError, match="the row of coatcheck_meta has been deleted"):
            Sessions(SQLiteStore(path, migrate=migrate)).open()


def test_an_old_sqlite_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 37, 2))
    with pytest.raises(ConfigurationError, match="or newer is needed"):
        Sessions(SQLiteStore(path)).open()


def test_S9_a_file_that_is_locked_at_the_start_is_an_outage(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a database, and will be free in a while: trying again may help, another file would not."""
    monkeypatch.setattr(migrations, "_BUSY", 0.01)
    Sessions(SQLiteStore(path)).open().close()
    with plain(path) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE coatcheck_meta SET schema = schema")
        for migrate in (True, False):
            with pytest.raises(Unavailable, match="locked"):
                Sessions(SQLiteStore(path, migrate=migrate)).open()


def test_damage_is_an_outage_and_no_sign_out(path: str) -> None:
    with Sessions(SQLiteStore(path)) as sessions:
        for number in range(200):
            created = sessions.create(str(number), data={"filling": "x" * 500})
        with plain(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (root,) = connection.execute(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'coatcheck_sessions'"
            ).fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
    with Path(path).open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    with Sessions(SQLiteStore(path)) as sessions, pytest.raises(Unavailable, match="damaged"):
        sessions.get(created.token)


USERS = {
    "no such table": (UsersTable(table="people"), "users table='people' does not exist"),
    "no such column": (UsersTable(name="full_name"), "has no column full_name; set that field"),
    "no such attribute": (UsersTable(attributes=("plan", "note")), "has no column plan"),
    "no unique id": (UsersTable(id="note", foreign_key=True), "neither primary key nor unique"),
}


@pytest.mark.parametrize(("users", "fix"), USERS.values(), ids=USERS)
@pytest.mark.parametrize("migrate", [True, False])
def test_a_users_table_that_does_not_fit_is_refused_with_the_fix(
    path: str, users: UsersTable, fix: str, migrate: bool
) -> None:
    make_users(path)
    if not migrate:
        Sessions(SQLiteStore(path)).open().close()
    before = run(path, "SELECT name FROM sqlite_schema")
    with pytest.raises(ConfigurationError, match=fix):
        Sessions(SQLiteStore(path, users=users, migrate=migrate)).open()
    assert run(path, "SELECT name FROM sqlite_schema") == before, "a refused configuration may change nothing"


@pytest.mark.parametrize("name", ["users; DROP TABLE x", 'us"ers', "", "1users", "a.b", "ü"])
def test_a_users_table_with_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="plain SQL name"):
        UsersTable(table=name)


def test_a_user_id_with_half_of_a_surrogate_pair_is_refused(path: str) -> None:
    """It comes from somewhere outside; the driver's own error would be one of its innards."""
    with Sessions(SQLiteStore(path)) as sessions:
        for call in (
            lambda: sessions.create("\ud800"),
            lambda: sessions.revoke_user("\ud800"),
            lambda: sessions.revoke_any("\ud800"),
            lambda: sessions.find("\ud800"),
        ):
            with pytest.raises(DataError, match="surrogate"):
                call()


def test_a_connection_is_closed_however_opening_ends(tmp_path: Path) -> None:
    """Linux shows what a process holds open."""
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        missing("this system does not show what a process holds open")

    def held() -> int:
        return sum(tmp_path in each.readlink().parents for each in descriptors.iterdir() if each.is_symlink())

    bad = a_text(tmp_path)
    for _ in range(3):
        with pytest.raises(ConfigurationError):
            Sessions(SQLiteStore(bad)).open()
    good = str(tmp_path / "good.db")
    with Sessions(SQLiteStore(good)) as sessions:
        sessions.get(sessions.create("anna").token)
        assert held()
    assert held() == 0


def test_a_file_in_another_journal_mode_is_switched(path: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("CREATE TABLE app (x)")
    with Sessions(SQLiteStore(path)) as sessions:
        sessions.create("anna")
    assert run(path, "PRAGMA journal_mode") == [("wal",)]

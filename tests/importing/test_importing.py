"""What an import leaves out and why, what it refuses, and how imported tokens are judged."""

from __future__ import annotations

import json
import pickle
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from secrets import token_hex, token_urlsafe
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import pytest
import redis

from coatcheck import (
    ConfigurationError,
    ImportedTokens,
    NotSignedIn,
    Policy,
    Sessions,
    TokenHash,
    Unavailable,
)
from coatcheck.cli import main
from coatcheck.importing.found import Stored, Why
from coatcheck.importing.importer import Importer
from coatcheck.importing.readers import READERS, Options
from coatcheck.importing.sql_source import moment_of
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import FaultyStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STORE = "sqlite:///app.db"
KEY = "7f9Qw2nM4xR8sK1vB6tY3zL5cD0hJgPa"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Shelf:
    """A source in memory."""

    def __init__(self, *stored: Stored) -> None:
        self.there = list(stored)
        self.marks: set[str] = set()

    def stored(self, batch: int) -> Iterator[Stored]:
        del batch
        yield from self.there

    def is_taken(self, stored: Stored) -> bool:
        return stored.mark in self.marks

    def take(self, stored: Stored) -> bool:
        taken = stored.mark not in self.marks
        self.marks.add(stored.mark)
        return taken

    def give_back(self, stored: Stored) -> None:
        self.marks.discard(stored.mark)

    def close(self) -> None:
        pass


def a_session(token: str = "", ends: datetime | None = None, **data: Any) -> Stored:
    return Stored(token or token_hex(16), json.dumps(data).encode(), ends)


def the_import(shelf: Shelf, library: str = "starsessions", **settings: Any) -> Any:
    policy = settings.pop("policy", Policy())
    options = Options(user_key="user_id", **settings)
    return Importer(shelf, READERS[library], options, policy=policy, token_hash=TokenHash())


@pytest.fixture
def store() -> Iterator[SQLiteStore]:
    made = SQLiteStore("app.db")
    made.open()
    yield made
    made.close()


def left_out(store: SQLiteStore, library: str, stored: Stored, **settings: Any) -> Why | None:
    outcome = the_import(Shelf(stored), library, **settings).run(store, batch=10)
    assert outcome.seen == 1
    return next(iter(outcome.left), None)


# --- what is left out


def test_S1_nothing_is_ever_unpickled(store: SQLiteStore) -> None:
    """A pickle that would leave a trace, in every protocol: counted, not run."""
    for protocol in range(6):
        value = pickle.dumps(Trap(), protocol)
        why = left_out(store, "flask-session", Stored(token_urlsafe(32), value, None))
        assert why is (Why.PICKLED if protocol > 1 else Why.UNREADABLE)
    assert not Trap.sprung


class Trap:
    """Says so when it is unpickled."""

    sprung = False

    def __reduce__(self) -> Any:
        return setattr, (Trap, "sprung", True)


@pytest.mark.parametrize(
    ("library", "token", "why"),
    [
        ("starsessions", token_hex(16), None),
        ("starsessions", token_hex(8), Why.NO_TOKEN),
        ("starsessions", "planted", Why.NO_TOKEN),  # it takes any id that a client presents
        ("litestar", token_hex(32), None),
        ("litestar", token_hex(15), Why.NO_TOKEN),
        ("flask-session", token_urlsafe(32), None),
        ("flask-session", token_urlsafe(15), Why.NO_TOKEN),
        ("flask-session", str(uuid4()), Why.UUID),
    ],
    ids=[
        *("starsessions", "starsessions-short", "starsessions-planted", "litestar", "litestar-short"),
        *("flask-session", "flask-session-short", "flask-session-uuid"),
    ],
)
def test_T1_a_token_has_128_random_bits_or_stays(store: SQLiteStore, library: str, token: str, why: Why | None) -> None:
    """By its form; UUIDs, which have 122, are taken by whoever says so."""
    assert left_out(store, library, a_session(token, user_id="ann")) is why
    if why is Why.UUID:
        assert left_out(store, library, a_session(token, user_id="ann"), uuids=True) is None


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (a_session(user_id="ann", ends=datetime.now(UTC) - HOUR), Why.EXPIRED),
        (a_session(), Why.EMPTY),
        (a_session(user_id=["ann"]), Why.NO_USER),
        (a_session(user_id=True), Why.NO_USER),
        (a_session(user_id="ann", much="x" * 20_000), Why.NO_JSON),
        (Stored(token_hex(16), b"[1]", None), Why.UNREADABLE),
        (Stored(token_hex(16), b"\xff", None), Why.UNREADABLE),
        (Stored(token_hex(16), b"[" * 100_000, None), Why.UNREADABLE),
    ],
)
def test_each_has_its_reason(store: SQLiteStore, stored: Stored, why: Why) -> None:
    assert left_out(store, "starsessions", stored) is why
    assert str(why)


def test_I6_a_user_s_limit_holds_and_more_runs_change_nothing(store: SQLiteStore) -> None:
    """None is ended to make room for another: the next run would do it again, the other way round."""
    shelf = Shelf(*(a_session(user_id="ann") for _ in range(3)))
    policy = Policy(max_sessions=2)
    first = the_import(shelf, policy=policy).run(store, batch=2)
    assert (first.imported, first.left) == (2, {Why.FULL: 1})
    again = the_import(shelf, policy=policy).run(store, batch=2)
    assert (again.imported, again.left) == (0, {Why.FULL: 1, Why.ALREADY: 2})


def test_I3_what_was_taken_once_is_never_taken_again(store: SQLiteStore) -> None:
    """Nor when the answer of the store was lost, and the session has ended before the next run."""
    shelf = Shelf(a_session(token := token_hex(16), user_id="ann"))
    faulty = FaultyStore(store)
    faulty.lose_answers("create")
    with pytest.raises(Unavailable):
        the_import(shelf).run(faulty, batch=1)
    sessions = Sessions(store, imported=ImportedTokens(library="starsessions"))
    assert sessions.revoke(token)
    assert the_import(shelf).run(store, batch=1).left == {Why.ALREADY: 1}
    assert sessions.get(token) is NotSignedIn.UNKNOWN


def test_I2_an_import_that_finds_no_store_takes_nothing(store: SQLiteStore) -> None:
    """And the next run brings everything."""
    shelf = Shelf(a_session(user_id="ann"))
    faulty = FaultyStore(store)
    faulty.fail("read", "create")
    with pytest.raises(Unavailable):
        the_import(shelf).run(faulty, batch=1)
    assert not shelf.marks
    assert the_import(shelf).run(store, batch=1).imported == 1


# --- how long imported sessions live


def test_L4_unused_it_ends_as_it_would_have_and_used_by_the_policy(store: SQLiteStore) -> None:
    """Whatever the library said about itself, there is an absolute end."""
    soon = datetime.now(UTC) + HOUR
    late = datetime.now(UTC) + timedelta(days=300)
    tokens = [token_hex(16) for _ in range(3)]
    shelf = Shelf(
        *(a_session(token, ends, user_id="ann") for token, ends in zip(tokens, (soon, late, None), strict=True))
    )
    the_import(shelf).run(store, batch=10)
    sessions = Sessions(store, imported=ImportedTokens(library="starsessions"))
    first, second, third = (sessions.get(token) or None for token in tokens)
    assert first is not None
    assert second is not None
    assert third is not None
    now = datetime.now(UTC)
    assert first.idle_expires_at == soon
    assert first.expires_at is not None
    assert now + timedelta(days=29) < first.expires_at < now + timedelta(days=31)
    assert second.idle_expires_at == second.expires_at == late
    assert now + timedelta(days=6) < third.idle_expires_at < now + timedelta(days=8)


def test_A1_when_somebody_signed_in_there_is_not_known(store: SQLiteStore) -> None:
    """So what needs that recently asks again."""
    token = token_hex(16)
    the_import(Shelf(a_session(token, user_id="ann"))).run(store, batch=1)
    found = Sessions(store, imported=ImportedTokens(library="starsessions")).get(token)
    assert found
    assert (found.user_id, found.authenticated_at) == ("ann", None)


# --- how tokens are judged


def test_T6_T7_only_tokens_of_the_library_are_looked_up_and_none_is_adopted(store: SQLiteStore) -> None:
    """Others are malformed, as they are without the setting."""
    sessions = Sessions(store, imported=ImportedTokens(library="starsessions"))
    assert sessions.get(token_hex(16)) is NotSignedIn.UNKNOWN
    for value in ("a" * 31, "A" * 32, "g" * 32, token_hex(16) + "\n", "../" + token_hex(15)[:29], token_hex(32)):
        assert sessions.get(value) is NotSignedIn.MALFORMED
    assert sessions.list_active() == []
    assert Sessions(store).get(token_hex(16)) is NotSignedIn.MALFORMED


def test_T5_a_file_s_name_is_no_credential(store: SQLiteStore) -> None:
    """Litestar's files are named by a digest of the token, and the store has another hash still."""
    from hashlib import blake2s

    from coatcheck.core.imported import imported_hash

    token = token_hex(32).encode()
    name = blake2s(token).hexdigest()
    shelf = Shelf(Stored(name, b'{"user_id": "ann"}', None, bytes.fromhex(name)))
    the_import(shelf, "litestar").run(store, batch=1)
    sessions = Sessions(store, imported=ImportedTokens(library="litestar"))
    assert sessions.get(token)
    for known in (name, imported_hash(TokenHash(), token).hex()):
        assert not sessions.get(known)


def test_C12_tokens_are_bound_to_the_purpose_they_were_imported_for(store: SQLiteStore) -> None:
    """What was imported for one is nothing for another."""
    the_import(Shelf(a_session(token := token_hex(16), user_id="ann"))).run(store, batch=1)
    imported = ImportedTokens(library="starsessions")
    assert Sessions(store, imported=imported).get(token)
    assert not Sessions(store, imported=imported, purpose="admin").get(token)


@pytest.mark.parametrize(
    ("library", "token"),
    [("starsessions", token_hex(16)), ("flask-session", token_urlsafe(32))],
    ids=["starsessions", "flask-session"],
)
def test_S3_imported_tokens_need_no_signature_and_the_next_one_has_one(
    store: SQLiteStore, library: str, token: str
) -> None:
    """With keys, too: nobody could have signed them."""
    the_import(Shelf(a_session(token, user_id="ann")), library).run(store, batch=1)
    sessions = Sessions(store, imported=ImportedTokens(library=library), keys=[KEY])
    assert sessions.get(token)
    rotated = sessions.rotate(token)
    assert rotated
    assert "." in rotated.token.reveal()
    assert sessions.get(rotated.token)
    assert not sessions.get(token)
    assert not Sessions(store, keys=[KEY]).get(token)


def test_what_cannot_be_is_refused() -> None:
    """A library nobody knows, a cookie that is none, tables that know other hashes."""
    with pytest.raises(ConfigurationError, match="library='beaker' is not possible: use one of 'starsessions'"):
        ImportedTokens(library="beaker")
    with pytest.raises(ConfigurationError, match="name"):
        ImportedTokens(library="litestar", cookie="a;b")
    with pytest.raises(ConfigurationError, match="adopted from another system"):
        Sessions(STORE, token_hash=TokenHash(adopted="text"), imported=ImportedTokens(library="litestar"))


# --- the command


def test_bad_input_gets_one_line(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """The setting, what was written, and the fix; nothing is made of it."""
    assert main(["migrate", "--store", STORE]) == 0
    (folder / "empty.db").touch()
    capsys.readouterr()
    for arguments, words in {
        ("starsessions", "--from", "sqlite:///x.db"): "--from='sqlite:///x.db' is not possible: use redis://",
        ("flask-session", "--from", "flask_session"): "pickled, which may not be read",
        ("litestar", "--from", "nowhere"): "name the folder of the FileStore",
        ("fastapi-users", "--from", "sqlite:///none.db"): "unable to open database file",
        ("fastapi-users", "--from", "sqlite:///empty.db"): "names no table 'accesstoken'",
        ("flask-session", "--from", "sqlite:///empty.db", "--table", "a b"): "--table='a b' is not possible",
        ("flask-session", "--from", "mysql://u:hunter2@h/d"): "is not possible: use a URL such as",
        ("starsessions", "--from", "redis://:hunter2@127.0.0.1:1/0"): "did not answer: ConnectionError",
        ("fastapi-users", "--from", "sqlite:///empty.db", "--lifetime", "soon"): "'30 days'",
    }.items():
        assert main(["import", *arguments, "--store", STORE]) in {2, 3}
        said = capsys.readouterr()
        assert words in said.err, said.err
        assert "hunter2" not in said.err
        assert len(said.err.splitlines()) == 1
    assert not (folder / "none.db").exists()


def test_what_was_left_out_and_what_to_do_next_is_said(valkey_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With keys of others beside them, in batches, and with a user key that is not the application's."""
    assert main(["migrate", "--store", STORE]) == 0
    with closing(redis.Redis.from_url(valkey_url.replace("valkey://", "redis://"))) as client:
        tokens = [token_urlsafe(32) for _ in range(5)]
        for token in tokens:
            client.set(f"session:{token}", msgspec.msgpack.encode({"_user_id": 7, "at": datetime.now(UTC)}), ex=900)
        client.set(f"session:{token_urlsafe(32)}", pickle.dumps({"_user_id": "7"}), ex=900)
        client.lpush("session:list", "x")
        client.set("else", "x")
        capsys.readouterr()
        command = ["import", "flask-session", "--from", valkey_url, "--store", STORE, "--batch", "2"]
        assert main([*command, "--user-key", "account", "--dry-run"]) == 0
        assert "is --user-key=account where" in capsys.readouterr().err
        assert main(command) == 0
        said = capsys.readouterr()
        assert said.out.splitlines() == [
            "imported 5 sessions, 5 of them signed in",
            f"left out: 1 session {Why.PICKLED}",
        ]
        assert "looked at 2 sessions so far" in said.err
        assert "imported=ImportedTokens(library='flask-session')" in said.err
        marks = list(client.scan_iter("coatcheck-imported:*"))
        assert len(marks) == 5
        assert all(0 < client.ttl(mark) <= 900 for mark in marks)
        assert client.exists(*(f"session:{token}" for token in tokens)) == 5
    with closing(sqlite3.connect("app.db")) as database:
        users = database.execute("SELECT user_id, data FROM coatcheck_sessions").fetchall()
    assert [user for user, _ in users] == ["7"] * 5
    assert isinstance(json.loads(users[0][1])["at"], str)


def test_times_of_tables_are_utc_whether_they_say_so_or_not() -> None:
    aware = datetime(2026, 1, 1, tzinfo=UTC)
    assert moment_of("2026-01-01 00:00:00.000000") == moment_of(datetime(2026, 1, 1)) == aware  # noqa: DTZ001 - it is what is tested
    assert moment_of("2026-01-01 02:00:00+02:00") == aware
    assert moment_of(None) is None


def test_the_check_says_what_is_accepted_and_that_anybody_can_plant_it(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "coatcheck.toml").write_text(
        f'[coatcheck]\nstore = "{STORE}"\n[coatcheck.imported]\nlibrary = "fastapi-users"\n', encoding="utf-8"
    )
    assert main(["migrate", "--config", "coatcheck.toml"]) == 0
    assert main(["check", "--config", "coatcheck.toml"]) == 1
    said = capsys.readouterr().out
    assert "UNSAFE C1 imported: tokens of fastapi-users, also from the cookie fastapiusersauth:" in said
    assert "imported.library" in said

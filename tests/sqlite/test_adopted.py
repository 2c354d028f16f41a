"""Adopting the table of another system, whose rows are keyed by the BLAKE3 hash of the token in hexadecimal.

Its policy: 30 days, extended when less than one is left, no absolute end. Each thing that the other system could do
works on it.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest
import sqlalchemy

from coatcheck import NotSignedIn, Policy, Session, Sessions, TokenHash, UsersTable
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import FaultyStore, ManualClock
from tests.sqlite.helpers import cached, dump, make_users, plain, refused, run
from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    from blake3 import blake3
except ImportError:
    missing("the package blake3 is not installed")

DAY = timedelta(days=1)
POLICY = Policy(idle_timeout=30 * DAY, lifetime=None, remember_lifetime=None, extend_when_less_than=DAY)

OLD_TABLE = """
CREATE TABLE old_sessions (
    token_hash TEXT PRIMARY KEY, account_id INTEGER, created TEXT, last_seen TEXT, expires TEXT, ip TEXT, agent TEXT
)
"""

IMPORT = """
INSERT INTO coatcheck_sessions (
    token_hash, id, user_id, created_at, authenticated_at, last_seen_at, idle_expires_at, idle_timeout, ip, user_agent
)
SELECT ?, ?, CAST(account_id AS TEXT), unixepoch(created) * 1000000, unixepoch(created) * 1000000,
    unixepoch(last_seen) * 1000000, unixepoch(expires) * 1000000, 30 * 86400 * 1000000, ip, agent
FROM old_sessions WHERE token_hash = ?
"""

VECTORS = {
    0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    63: "e9bc37a594daad83be9470df7f7b3798297c3d834ce80ba85d6e207627b7db7b",
    64: "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98",
    65: "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b263dee",
    1023: "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
    1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
    1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
    31744: "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47",
}
"""The first 32 bytes of the hashes in test_vectors.json of BLAKE3-team/BLAKE3, by the length of the input."""


@pytest.mark.parametrize("length", VECTORS)
def test_blake3_agrees_with_the_official_vectors(length: int) -> None:
    """The input is the bytes 0 to 250, over and over."""
    text = bytes(number % 251 for number in range(length))
    assert TokenHash("blake3", adopted="text")(text).hex() == VECTORS[length]


class Rig(NamedTuple):
    """An adopted database, and what its clients hold."""

    sessions: Sessions
    store: FaultyStore
    path: str
    clock: ManualClock
    tokens: list[str]


def token() -> str:
    """Make a token as the other system does: 32 random bytes in base64url."""
    return urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


def fill(path: str, tokens: list[str], clock: ManualClock) -> None:
    """Write the other system's rows: the sessions of accounts 1, 2, 3, 1, 2, 3..., one used each day."""
    now = clock.now() // 10**9
    with plain(path) as connection:
        connection.execute(OLD_TABLE)
        for number, each in enumerate(tokens):
            connection.execute(
                "INSERT INTO old_sessions VALUES (?, ?, datetime(?, 'unixepoch'), datetime(?, 'unixepoch'),"
                " datetime(?, 'unixepoch'), ?, 'Firefox')",
                (
                    blake3(each.encode()).hexdigest(),
                    number % 3 + 1,
                    now - (60 - number) * 86400,
                    now - (20 - number) * 86400,
                    now + (10 + number) * 86400,
                    "192.0.2.1",
                ),
            )


def adopt(path: str) -> int:
    """Import the rows, as a migration of the application would, in one transaction."""
    with plain(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        rows = connection.execute("SELECT token_hash FROM old_sessions").fetchall()
        for (key,) in rows:
            connection.execute(IMPORT, (bytes.fromhex(key), secrets.token_urlsafe(16), key))
        connection.execute("COMMIT")
    return len(rows)


@pytest.fixture
def rig(path: str, clock: ManualClock) -> Iterator[Rig]:
    make_users(path)
    tokens = [token() for _ in range(9)]
    fill(path, tokens, clock)
    store = FaultyStore(SQLiteStore(path, users=UsersTable(), clock=clock))
    hashed = TokenHash("blake3", adopted="text")
    with Sessions(store, policy=POLICY, token_hash=hashed, clock=clock) as sessions:
        assert adopt(path) == len(tokens)
        yield Rig(sessions, store, path, clock, tokens)


def test_every_adopted_token_is_valid_and_keeps_its_times(rig: Rig) -> None:
    for number, each in enumerate(rig.tokens):
        session = rig.sessions.get(each)
        assert isinstance(session, Session)
        assert session.user_id == str(number % 3 + 1)
        assert session.user is not None
        assert session.user.name == f"Name {session.user_id}"
        assert (session.ip, session.user_agent, session.expires_at) == ("192.0.2.1", "Firefox", None)
        assert session.idle_expires_at - session.last_seen_at == 30 * DAY
        cached(rig.sessions, rig.store, each)
    assert refused(rig.sessions.get(token()))


def test_T7_what_cannot_be_an_adopted_token_costs_no_read(rig: Rig) -> None:
    reads = rig.store.count("read")
    for bad in ("", "short", "x" * 257, "a b" * 20, "ä" * 43, rig.tokens[0] + "=", rig.tokens[0] + "\n"):
        assert rig.sessions.get(bad) in {NotSignedIn.NO_TOKEN, NotSignedIn.MALFORMED}
    assert rig.store.count("read") == reads


@pytest.mark.parametrize("bad", ["A" * 25, "A" * 41, "A" * 43 + "AA", "A" * 42 + "B", "-" * 23])
def test_T7_tokens_hashed_by_their_bytes_have_one_spelling(path: str, bad: str) -> None:
    """A length that no bytes have, or bits that no byte holds, is malformed and no error of the decoder."""
    hashed = TokenHash("blake3", adopted="bytes")
    with Sessions(SQLiteStore(path), token_hash=hashed) as sessions:
        created = sessions.create("anna")
        assert sessions.get(created.token)
        assert sessions.get(bad) is NotSignedIn.MALFORMED
        assert sessions.revoke(bad) is False


def test_B1_the_database_holds_blake3_hashes_and_no_token(rig: Rig) -> None:
    created = rig.sessions.create("1")
    secret = created.token.reveal()
    assert len(secret) == 43
    held = {row[0] for row in dump(rig.path)["coatcheck_sessions"]}
    assert held == {blake3(each.encode()).digest() for each in [*rig.tokens, secret]}
    assert secret not in repr(dump(rig.path))
    by_sha = Sessions(rig.store, policy=POLICY, clock=rig.clock)
    assert refused(by_sha.get(created.token))


def test_B2_create_and_get_what_is_there_unexpired_and_not_revoked(rig: Rig) -> None:
    created = rig.sessions.create("2")
    assert rig.sessions.get(created.token)
    rig.clock.advance(10 * DAY)
    assert rig.sessions.get(rig.tokens[0]) is NotSignedIn.EXPIRED
    assert rig.sessions.get(rig.tokens[1])
    rig.sessions.revoke(rig.tokens[1])
    assert rig.sessions.get(rig.tokens[1]) is NotSignedIn.UNKNOWN


def test_B3_a_touch_moves_the_end_only_when_less_than_a_day_remains(rig: Rig) -> None:
    sql = "SELECT last_seen_at, idle_expires_at FROM coatcheck_sessions WHERE token_hash = ?"
    key = (blake3(rig.tokens[0].encode()).digest(),)
    ((_, end),) = run(rig.path, sql, key)
    for step in (9 * DAY, timedelta(minutes=10)):
        rig.clock.advance(step)
        assert rig.sessions.get(rig.tokens[0])
        assert rig.sessions.flush() == 1
        now = rig.clock.now() // 1000
        expected = end if step == 9 * DAY else now + 30 * DAY // timedelta(microseconds=1)
        assert run(rig.path, sql, key) == [(now, expected)]


def test_B4_lists_for_an_account_and_across_accounts(rig: Rig) -> None:
    mine = rig.sessions.list("1")
    assert len(mine) == 3
    assert [each.created_at for each in mine] == sorted((each.created_at for each in mine), reverse=True)
    assert len(rig.sessions.list("1", limit=2)) == 2
    everybody = rig.sessions.list_active()
    assert len(everybody) == 9
    assert [each.last_seen_at for each in everybody] == sorted((each.last_seen_at for each in everybody), reverse=True)
    assert {each.user.name for each in everybody if each.user} == {"Name 1", "Name 2", "Name 3"}


def test_B5_revoking(rig: Rig) -> None:
    sessions, tokens = rig.sessions, rig.tokens
    for each in tokens:
        cached(sessions, rig.store, each)
    session = sessions.get(tokens[3])
    assert isinstance(session, Session)
    assert sessions.revoke(tokens[0]) is True
    assert sessions.revoke(tokens[0]) is False
    assert sessions.revoke_by_id(session.id, user_id="2") is False
    assert sessions.get(tokens[3])
    assert sessions.revoke_others(session) == 1
    assert [bool(sessions.get(tokens[number])) for number in (0, 3, 6)] == [False, True, False]
    assert sessions.revoke_by_id(session.id, user_id="1") is True
    assert refused(sessions.get(tokens[3]))
    assert sessions.revoke_user("2") == 3
    assert [bool(sessions.get(tokens[number])) for number in (1, 4, 7)] == [False, False, False]
    assert all(sessions.get(tokens[number]) for number in (2, 5, 8))


def test_B6_the_limit_counts_adopted_sessions(rig: Rig) -> None:
    limited = Sessions(
        rig.store,
        policy=Policy(idle_timeout=30 * DAY, lifetime=None, extend_when_less_than=DAY, max_sessions=2),
        token_hash=TokenHash("blake3", adopted="text"),
        clock=rig.clock,
    )
    created = limited.create("1")
    assert len(created.evicted) == 2
    assert [bool(rig.sessions.get(rig.tokens[number])) for number in (0, 3, 6)] == [False, False, True]
    assert rig.sessions.get(created.token)
    assert len(rig.sessions.list("1")) == 2


def test_B7_expired_rows_are_deleted_in_batches(rig: Rig) -> None:
    rig.clock.advance(14 * DAY)
    steps: list[int] = []
    assert rig.sessions.sweep(batch=2, progress=steps.append) == 5
    assert steps == [2, 4, 5]
    assert len(dump(rig.path)["coatcheck_sessions"]) == 4


@pytest.mark.parametrize("commit", [False, True])
def test_B8_in_the_caller_s_transaction(rig: Rig, commit: bool) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{rig.path}")
    with engine.connect() as connection:
        connection.begin()
        connection.execute(sqlalchemy.text("INSERT INTO users (id, name) VALUES (9, 'New')"))
        created = rig.sessions.create("9", connection=connection)
        assert rig.sessions.revoke(rig.tokens[0], connection=connection)
        (connection.commit if commit else connection.rollback)()
    engine.dispose()
    assert bool(rig.sessions.get(created.token)) is commit
    assert bool(rig.sessions.get(rig.tokens[0])) is not commit


def test_B9_a_token_from_a_bearer_header_is_the_same_token(rig: Rig) -> None:
    """Bytes or text, as the header brings it; under the same limit and revocation."""
    header = f"Bearer {rig.tokens[0]}".encode()
    presented = header.removeprefix(b"Bearer ")
    assert isinstance(rig.sessions.get(presented), Session)
    rig.sessions.revoke(rig.tokens[0])
    assert refused(rig.sessions.get(presented))


def test_L1_rotation_moves_an_adopted_session_to_a_token_of_ours(rig: Rig) -> None:
    rotated = rig.sessions.rotate(rig.tokens[0])
    assert not isinstance(rotated, NotSignedIn)
    assert refused(rig.sessions.get(rig.tokens[0]))
    assert isinstance(rig.sessions.get(rotated.token), Session)


def test_a_second_import_of_the_same_rows_is_refused_by_their_keys(rig: Rig) -> None:
    """No session comes into being twice, and one that was revoked meanwhile is not brought back unnoticed."""
    with pytest.raises(Exception, match="UNIQUE constraint failed"):
        adopt(rig.path)
    assert len(dump(rig.path)["coatcheck_sessions"]) == 9

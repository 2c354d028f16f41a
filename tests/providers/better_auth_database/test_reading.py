"""What is read of Better Auth's tables, however an adapter has made them, and what is refused at once."""

# ruff: noqa: S608 - statements typed by hand into the tests' own databases

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.core.answers import NotSignedIn
from coatcheck.errors import ConfigurationError
from coatcheck.providers.better_auth import BetterAuthDatabase
from coatcheck.providers.better_auth.signature import signed
from tests.servers.better_auth import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.providers.better_auth_database.hands import Database, PostgreSQLDatabase
    from tests.providers.better_auth_database.worker import Worker
    from tests.servers.better_auth import Visitor

    Workers = Callable[..., Worker]

pytestmark = pytest.mark.processes

OLD = "0123456789abcdefghijklmnopqrstuv-old"


def test_A5_a_session_is_what_better_auth_says_it_is(auth: Database, worker: Workers, visitor: Visitor) -> None:
    said = visitor.get("/get-session")
    session = worker(auth).get(visitor.presented)
    assert (session.id, session.user_id) == (said["session"]["id"], said["user"]["id"])
    assert session.expires_at == datetime.fromisoformat(said["session"]["expiresAt"])
    assert session.created_at == datetime.fromisoformat(said["session"]["createdAt"])
    assert (session.user.name, session.user.email) == (said["user"]["name"], said["user"]["email"])
    assert session.user.email_verified is False
    assert session.user.attributes == {"tier": "gold", "banned": False}
    assert visitor.presented.partition(".")[0] not in repr(dict(session.data))


def test_A5_what_is_not_named_is_not_read(auth: Database, worker: Workers, visitor: Visitor) -> None:
    assert "tier" not in worker(auth, columns={}).get(visitor.presented).user.attributes


def test_an_expired_session_is_expired(auth: Database, worker: Workers, visitor: Visitor) -> None:
    token = visitor.get("/get-session")["session"]["token"]
    auth.by_hand(f"""UPDATE session SET "expiresAt" = '2020-01-01T00:00:00.000Z' WHERE token = '{token}'""")
    assert worker(auth).get(visitor.presented) is NotSignedIn.EXPIRED


def test_a_session_whose_user_has_gone_is_unknown(sqlite_auth: Database, worker: Workers) -> None:
    sqlite_auth.prepare()
    with sqlite_auth.server.visitor() as visitor:
        user = visitor.sign_up(sqlite_auth.new_address())["id"]
        here = worker(sqlite_auth)
        assert here.warm(visitor.presented)
        sqlite_auth.by_hand(f"""DELETE FROM "user" WHERE id = '{user}'""")  # its session stays: no foreign keys here
        assert here.get(visitor.presented) is NotSignedIn.UNKNOWN


def test_A5_each_of_the_secrets_is_accepted(auth: Database, worker: Workers, visitor: Visitor) -> None:
    token = visitor.get("/get-session")["session"]["token"]
    here = worker(auth, secrets=[SECRET, OLD])
    assert here.get(visitor.presented)
    assert here.get(signed(token, OLD))
    assert worker(auth, secrets=[OLD]).get(visitor.presented) is NotSignedIn.MALFORMED


def test_T7_a_wrong_signature_asks_nobody(auth: Database, worker: Workers, visitor: Visitor) -> None:
    here, token = worker(auth), visitor.get("/get-session")["session"]["token"]
    other = signed("a" * 32, SECRET).partition(".")[2]
    for wrong in (f"{token}.{other}", token, f"{token}.", signed(token, OLD), "x", f"Bearer {token}"):
        assert here.get(wrong) is NotSignedIn.MALFORMED
    assert here.queries == 0


def test_A2_a_bearer_token_is_read_where_that_is_wanted(auth: Database, worker: Workers, visitor: Visitor) -> None:
    token = visitor.get("/get-session")["session"]["token"]
    here = worker(auth, bearer=True)
    assert here.get(f"Bearer {token}")
    assert here.get(f"Bearer {signed(token, SECRET)}")
    assert here.get(f"Bearer {signed(token, OLD)}") is NotSignedIn.MALFORMED
    assert here.get(token) is NotSignedIn.MALFORMED


SNAKE = {
    "expiresAt": "expires_at",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
    "userId": "user_id",
    "emailVerified": "email_verified",
    "ipAddress": "ip_address",
    "user.name": "full_name",
    "user.plan": "plan",
}
TABLES = """
CREATE TABLE {user} (id {id} PRIMARY KEY, full_name text, email text, email_verified {flag}, plan text,
    password_hash text, created_at {time}, updated_at {time});
CREATE TABLE {session} (id {id} PRIMARY KEY, token text UNIQUE, user_id {id}, ip_address text, expires_at {time},
    created_at {time}, updated_at {time});
INSERT INTO {user} VALUES ({one}, 'Ann', 'ann@example.com', {yes}, 'gold', 'hidden', {began}, {began});
INSERT INTO {session} VALUES ({one}, 'token', {one}, '192.0.2.7', {ends}, {began}, {began});
"""
BEGAN = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
ENDS = datetime(2099, 3, 1, 12, 0, 5, tzinfo=UTC)


def check(provider: BetterAuthDatabase, began: datetime = BEGAN, ends: datetime = ENDS) -> None:
    """Check that the session is read, with and without its triggers."""
    provider.open()
    record = provider.identify(signed("token", SECRET).encode()).identity
    assert not isinstance(record, NotSignedIn)
    assert (record.id, record.user_id, record.ip) == ("1", "1", "192.0.2.7")
    assert (record.created_at, record.expires_at) == (began.timestamp() * 1e6, ends.timestamp() * 1e6)
    assert record.user is not None
    assert '"email_verified": true' in record.user
    assert '"plan": "gold"' in record.user
    assert "hidden" not in record.user
    assert provider.identify(signed("TOKEN", SECRET).encode()).identity is NotSignedIn.UNKNOWN
    assert len(provider.sign_out(signed("token", SECRET).encode())) == 6
    assert provider.identify(signed("token", SECRET).encode()).identity is NotSignedIn.UNKNOWN
    provider.close()


def _text(moment: datetime) -> str:
    return f"'{moment.isoformat().replace('+00:00', 'Z')}'"


def _zoneless(moment: datetime) -> str:
    return f"'{moment.isoformat(sep=' ').partition('+')[0]}'"


@pytest.mark.parametrize(
    "time",
    [
        _text,
        _zoneless,
        lambda moment: f"{int(moment.timestamp())}",
        lambda moment: f"{int(moment.timestamp() * 1000)}",
    ],
    ids=["iso", "zoneless", "seconds", "milliseconds"],
)
def test_A5_a_file_of_another_adapter_is_read(tmp_path: Path, time: Callable[[datetime], str]) -> None:
    path = tmp_path / "auth.db"
    script = TABLES.format(
        user="users", session="auth_sessions", id="integer", flag="integer", time="", one="1", yes="1",
        began=time(BEGAN), ends=time(ENDS),
    )  # fmt: skip
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script.replace("token text UNIQUE", "token text UNIQUE COLLATE NOCASE"))
    provider = BetterAuthDatabase(
        f"sqlite:///{path}", secrets=[SECRET], session_table="auth_sessions", user_table="users", columns=SNAKE
    )
    check(provider)


@pytest.mark.parametrize("time", ["timestamptz", "timestamp", "timestamp(3)", "bigint"])
@pytest.mark.parametrize("key", ["integer", "bigint", "varchar(36)"])
def test_A5_a_database_of_another_adapter_is_read(postgresql: Any, postgresql_url: str, time: str, key: str) -> None:
    database = postgresql_url.rpartition("/")[2]
    written = (lambda moment: f"{int(moment.timestamp() * 1000)}") if time == "bigint" else _zoneless
    script = TABLES.format(
        user='auth."Users"', session="auth.sessions", id=key, flag="boolean", time=time, one="'1'", yes="true",
        began=written(BEGAN), ends=written(ENDS),
    )  # fmt: skip
    postgresql.psql(f"CREATE SCHEMA auth; {script}", database)
    # Whatever the server's time zone: what has none counts as UTC.
    postgresql.psql(f"ALTER DATABASE {database} SET timezone = 'America/New_York'", database)
    provider = BetterAuthDatabase(
        postgresql_url, secrets=[SECRET], schema="auth", session_table="sessions", user_table="Users", columns=SNAKE
    )
    check(provider)


def test_A5_a_user_of_the_database_may_be_allowed_some_columns_only(postgresql_auth: PostgreSQLDatabase) -> None:
    auth = postgresql_auth
    auth.prepare()
    url = auth.url.replace("postgres@", "reader@")
    auth.by_hand("CREATE ROLE reader LOGIN")
    try:
        with pytest.raises(ConfigurationError, match=r"user_table|session_table"):
            BetterAuthDatabase(url, secrets=[SECRET]).open()
        auth.by_hand(
            'GRANT SELECT (id, token, "userId", "createdAt", "updatedAt", "expiresAt") ON session TO reader;'
            'GRANT SELECT (id, name) ON "user" TO reader'
        )
        provider = BetterAuthDatabase(url, secrets=[SECRET])
        provider.open()
        with auth.server.visitor() as visitor:
            visitor.sign_up(auth.new_address())
            record = provider.identify(visitor.presented.encode()).identity
            assert not isinstance(record, NotSignedIn)
            assert record.user is not None
            assert "email" not in record.user
        provider.close()
    finally:
        auth.by_hand("DROP OWNED BY reader; DROP ROLE reader")


GOOD = {"secrets": [SECRET]}


@pytest.mark.parametrize(
    ("url", "settings", "said"),
    [
        ("valkey://host:6379/0", GOOD, "url='valkey://host:6379/0'"),
        ("mysql://host/auth", GOOD, "url='mysql://host/auth'"),
        ("sqlite:///auth.db", {"secrets": []}, "secrets are missing"),
        ("sqlite:///auth.db", {"secrets": ["short"]}, r"secrets\[0\] has 5 octets"),
        ("sqlite:///auth.db", {"secrets": SECRET}, "secrets must be a list"),
        ("sqlite:///auth.db", {**GOOD, "timeout": timedelta(0)}, "timeout=0:00:00"),
        ("sqlite:///auth.db", {**GOOD, "session_table": 'a"b'}, "session_table="),
        ("sqlite:///auth.db", {**GOOD, "user_table": "session"}, "user_table='session'"),
        ("sqlite:///auth.db", {**GOOD, "columns": {"account.id": "x"}}, "columns='account.id'"),
        ("sqlite:///auth.db", {**GOOD, "columns": {"id": "x y"}}, r"columns\['id'\]='x y'"),
        ("sqlite:///auth.db", {**GOOD, "cookie_domain": "a;b"}, "cookie_domain='a;b'"),
        ("sqlite:///auth.db", {**GOOD, "cookie_prefix": "a b"}, "cookie_prefix='a b'"),
        ("sqlite:///auth.db", {**GOOD, "pool_size": 0}, "pool_size=0"),
        ("postgresql://me:secret@pass@host/x", GOOD, "^url is not possible"),
    ],
)
def test_settings_that_cannot_be_are_refused(url: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        BetterAuthDatabase(url, **settings)
    assert SECRET not in str(refused.value)
    assert "secret@pass" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"session_table": "sessions"}, "session_table='sessions'"),
        ({"user_table": "users"}, "user_table='users'"),
        ({"columns": {"userId": "user_id"}}, r"columns\['session.userId'\]='user_id'"),
        ({"columns": {"user.plan": "plan"}}, r"columns\['user.plan'\]='plan'"),
    ],
)
def test_tables_that_do_not_fit_are_refused_at_open(auth: Database, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        BetterAuthDatabase(auth.url, secrets=[SECRET], **settings).open()


def test_a_file_that_is_not_there_is_refused_at_open(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        BetterAuthDatabase(f"sqlite:///{tmp_path}/nothing.db", secrets=[SECRET]).open()

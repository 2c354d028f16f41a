"""`Settings`: where they may be written, what counts for more, how mistakes are named, and what they make."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coatcheck import (
    AsyncSessions,
    CacheSettings,
    ConfigurationError,
    ImportedTokens,
    Policy,
    Sessions,
    Settings,
    StoreOptions,
    Unavailable,
    User,
    UsersTable,
    ValueSettings,
)
from coatcheck.configuration.schema import _CONVERTERS, GROUPS, KINDS
from coatcheck.configuration.sources import ELSEWHERE, variable_of
from coatcheck.core.settings import SharedCacheSettings
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.testing import ManualClock
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

STORE = {"COATCHECK_STORE": "sqlite:///app.db"}
KEY = "jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"
OTHER_KEY = "X0PFgLtCTnDsKl8r7WqYw2ZbIuEvHx3Aj5RmNp9Qk1o"
HOUR = timedelta(hours=1)


def written(text: str, name: str = "coatcheck.toml") -> str:
    """Write a file, and return its name."""
    with open(name, "w", encoding="utf-8") as file:  # noqa: PTH123 - in the folder of the test
        file.write(text)
    return name


# --- where they are written


FILE = f"""
[coatcheck]
store = "postgresql://ada:hunter2@db/app"
keys = ["{KEY}", "{OTHER_KEY}"]
deployment = "shop-production"
purpose = "admin"

[coatcheck.policy]
idle_timeout = "2 hours"
lifetime = "PT12H"
touch_every = 60
max_sessions = 3
when_full = "ask"
carry_over = ["cart"]

[coatcheck.cache]
max_entries = 5000
ttl = "5m"
lease = "500ms"

[coatcheck.shared_cache]
url = "valkey://:hunter2@cache:6379"
database = 3
ttl = "30m"
timeout = 0.02

[coatcheck.values]
max_entries = 500
ttl = "1 day"
jitter = 0
refresh = 0.25
load_timeout = "3s"

[coatcheck.users]
table = "people"
role = "none"
attributes = ["tier"]
foreign_key = true

[coatcheck.imported]
library = "litestar"
cookie = "sid"
"""

ENVIRONMENT = {
    "COATCHECK_STORE": "postgresql://ada:hunter2@db/app",
    "COATCHECK_KEYS": f"{KEY}, {OTHER_KEY}",
    "COATCHECK_DEPLOYMENT": "shop-production",
    "COATCHECK_PURPOSE": "admin",
    "COATCHECK_POLICY_IDLE_TIMEOUT": "120m",
    "COATCHECK_POLICY_LIFETIME": "12 hours",
    "COATCHECK_POLICY_TOUCH_EVERY": "1 minute",
    "COATCHECK_POLICY_MAX_SESSIONS": "3",
    "COATCHECK_POLICY_WHEN_FULL": "ask",
    "COATCHECK_POLICY_CARRY_OVER": "cart",
    "COATCHECK_CACHE_MAX_ENTRIES": "5000",
    "COATCHECK_CACHE_TTL": "PT5M",
    "COATCHECK_CACHE_LEASE": "0.5",
    "COATCHECK_SHARED_CACHE": "valkey://:hunter2@cache:6379/3",
    "COATCHECK_SHARED_CACHE_TTL": "1800",
    "COATCHECK_SHARED_CACHE_TIMEOUT": "20ms",
    "COATCHECK_VALUES_MAX_ENTRIES": "500",
    "COATCHECK_VALUES_TTL": "24h",
    "COATCHECK_VALUES_JITTER": "0.0",
    "COATCHECK_VALUES_REFRESH": " 0.25",
    "COATCHECK_VALUES_LOAD_TIMEOUT": "3",
    "COATCHECK_USERS_TABLE": "people",
    "COATCHECK_USERS_ROLE": "None",
    "COATCHECK_USERS_ATTRIBUTES": "tier",
    "COATCHECK_USERS_FOREIGN_KEY": "yes",
    "COATCHECK_IMPORTED_LIBRARY": "litestar",
    "COATCHECK_IMPORTED_COOKIE": "sid",
}

CODE = Settings(
    store="postgresql://ada:hunter2@db/app",
    keys=(KEY, OTHER_KEY),
    deployment="shop-production",
    purpose="admin",
    policy=Policy(
        idle_timeout=2 * HOUR,
        lifetime=12 * HOUR,
        touch_every=timedelta(minutes=1),
        max_sessions=3,
        when_full="ask",
        carry_over=("cart",),
    ),
    cache=CacheSettings(max_entries=5000, ttl=timedelta(minutes=5), lease=timedelta(milliseconds=500)),
    shared_cache="valkey://:hunter2@cache:6379/3",
    shared_cache_settings=SharedCacheSettings(ttl=timedelta(minutes=30), timeout=timedelta(milliseconds=20)),
    values=ValueSettings(
        max_entries=500, ttl=timedelta(days=1), jitter=0.0, refresh=0.25, load_timeout=timedelta(seconds=3)
    ),
    users=UsersTable(table="people", role=None, attributes=("tier",), foreign_key=True),
    imported=ImportedTokens(library="litestar", cookie="sid"),
)


def test_the_same_can_be_said_in_a_file_in_variables_and_in_code() -> None:
    """One object comes of each."""
    assert Settings.load(written(FILE), environ={}) == CODE
    assert Settings.load(environ=ENVIRONMENT) == CODE
    pyproject = written(FILE.replace("[coatcheck", "[tool.coatcheck") + "[tool.other]\nx = 1", "pyproject.toml")
    assert Settings.load(pyproject, environ={}) == CODE
    names = [each.name for each in fields(Settings) if each.name != "origins"]
    assert Settings.load(environ={}, **{name: getattr(CODE, name) for name in names}) == CODE


def test_every_setting_has_a_variable_of_its_own() -> None:
    """None that the command line has for something else, and none twice."""
    variables = [variable_of(path) for path in KINDS]
    assert len(set(variables)) == len(variables)
    assert not ELSEWHERE & set(variables)


def test_every_field_can_be_written() -> None:
    """A new field with a type that nobody can write in a file is noticed here."""
    kinds = {kind.removesuffix("| None").rstrip() for kind in KINDS.values()}
    assert kinds <= set(_CONVERTERS)
    for group, part in GROUPS.items():
        assert {f"{group}.{each.name}" for each in fields(part)} <= set(KINDS)


def test_the_process_s_own_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a file that one of them names."""
    monkeypatch.setenv("COATCHECK_CONFIG", written("[coatcheck]\nstore = 'sqlite:///named.db'\ncache = {ttl = '1m'}"))
    monkeypatch.setenv("COATCHECK_CACHE_LEASE", "1s")
    found = Settings.load()
    assert (found.store, found.cache.lease, found.cache.ttl) == (
        "sqlite:///named.db",
        timedelta(seconds=1),
        timedelta(minutes=1),
    )


def test_variables_of_others_are_left_alone() -> None:
    """Those of the command line, empty ones, and those that Kubernetes makes of a service named coatcheck."""
    others = {
        "COATCHECK_APP": "shop:app",
        "COATCHECK_LIMIT": "many",
        "COATCHECK_CACHE_TTL": "",
        "COATCHECK_SERVICE_HOST": "10.0.0.1",
        "COATCHECK_SERVICE_PORT": "80",
        "COATCHECK_SERVICE_PORT_HTTP": "80",
        "COATCHECK_PORT": "tcp://10.0.0.1:80",
        "COATCHECK_PORT_80_TCP": "tcp://10.0.0.1:80",
        "COATCHECK_PORT_80_TCP_ADDR": "10.0.0.1",
        "COATCHECK_DB_PORT_5432_TCP_PROTO": "tcp",
        "PATH": "/bin",
    }
    assert Settings.load(environ=STORE | others) == Settings(store="sqlite:///app.db")


# --- what counts for more


def test_code_counts_for_more_than_variables_than_the_file_than_defaults() -> None:
    """Each setting for itself, whatever else its group says."""
    file = written(
        "[coatcheck]\nstore = 'sqlite:///file.db'\n[coatcheck.cache]\nttl = '1m'\nlease = '1s'\nmax_entries = 1\n"
        "[coatcheck.policy]\nmax_sessions = 1"
    )
    environ = {"COATCHECK_STORE": "sqlite:///variable.db", "COATCHECK_CACHE_TTL": "2m", "COATCHECK_CACHE_LEASE": "2s"}
    found = Settings.load(file, environ=environ, store="sqlite:///code.db", cache={"ttl": timedelta(minutes=3)})
    assert found.store == "sqlite:///code.db"
    assert found.cache == CacheSettings(max_entries=1, ttl=timedelta(minutes=3), lease=timedelta(seconds=2))
    assert found.policy == Policy(max_sessions=1)
    assert found.origins == {
        "store.url": "store",
        "cache.ttl": "cache.ttl",
        "cache.lease": "COATCHECK_CACHE_LEASE",
        "cache.max_entries": "coatcheck.cache.max_entries in coatcheck.toml",
        "policy.max_sessions": "coatcheck.policy.max_sessions in coatcheck.toml",
    }


def test_an_object_in_code_says_all_of_its_group() -> None:
    """Its defaults are meant: a policy of the program is not changed from outside."""
    environ = STORE | {"COATCHECK_POLICY_IDLE_TIMEOUT": "1h", "COATCHECK_CACHE_TTL": "1m"}
    found = Settings.load(environ=environ, policy=Policy.aal1())
    assert (found.policy, found.cache.ttl) == (Policy.aal1(), timedelta(minutes=1))


def test_store_options_say_only_what_is_set() -> None:
    """None leaves it to the store, or to whoever else says it."""
    environ = STORE | {"COATCHECK_STORE_BUSY_TIMEOUT": "2s"}
    found = Settings.load(environ=environ, store_options=StoreOptions(migrate=False))
    assert found.store_options == StoreOptions(migrate=False, busy_timeout=timedelta(seconds=2))


def test_a_limit_may_be_a_function_in_code() -> None:
    def limit(user_id: str) -> int:
        return len(user_id)

    assert Settings.load(environ=STORE, policy={"max_sessions": limit}).policy.max_sessions is limit


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({"enabled": False}, CacheSettings(max_entries=0)),
        ({"enabled": "off", "ttl": "1m"}, CacheSettings(max_entries=0, ttl=timedelta(minutes=1))),
        ({"enabled": True}, CacheSettings()),
        ({"max_entries": 0}, CacheSettings(max_entries=0)),
    ],
    ids=str,
)
def test_the_local_cache_can_be_switched_off(group: Mapping[str, Any], expected: CacheSettings) -> None:
    assert Settings.load(environ=STORE, cache=group).cache == expected


@pytest.mark.parametrize(
    ("url", "number", "whole"),
    [
        ("valkey://cache", 2, "valkey://cache/2"),
        ("valkey://cache:6379/", 2, "valkey://cache:6379/2"),
        ("rediss://u:p%40@cache:6379?ssl_ca_certs=/x/y", 0, "rediss://u:p%40@cache:6379/0?ssl_ca_certs=/x/y"),
        ("valkey+sentinel://a,b:1/mymaster", 5, "valkey+sentinel://a,b:1/mymaster/5"),
        ("valkey+cluster://a,b", 0, "valkey+cluster://a,b/0"),
    ],
)
def test_the_shared_cache_s_database_is_a_number_of_its_own(url: str, number: int, whole: str) -> None:
    """The store may be the same server."""
    found = Settings.load(environ=STORE, keys=[KEY], shared_cache={"url": url, "database": number})
    assert found.shared_cache == whole


# --- mistakes


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({}, "store is missing: set COATCHECK_STORE, or store in a file, to a URL such as 'sqlite:///app.db'"),
        ({"COATCHECK_CACHE_TLL": "1m"}, "COATCHECK_CACHE_TLL is no setting: use COATCHECK_CACHE_TTL"),
        ({"COATCHECK_STORE_URL": "x"}, "COATCHECK_STORE_URL is no setting: use COATCHECK_STORE"),
        ({"COATCHECK_IDLE_TIMEOUT": "1h"}, "COATCHECK_IDLE_TIMEOUT is no setting: use COATCHECK_POLICY_IDLE_TIMEOUT"),
        ({"COATCHECK_XYZZY": "1"}, "COATCHECK_XYZZY is no setting: remove it"),
        (
            {"COATCHECK_CACHE_TTL": "2 days"},
            "COATCHECK_CACHE_TTL='2 days' is not possible: use one second to one hour",
        ),
        (
            {"COATCHECK_POLICY_WHEN_FULL": "panic"},
            "COATCHECK_POLICY_WHEN_FULL='panic' is not possible: use 'evict_oldest', 'refuse' or 'ask'",
        ),
        (
            {"COATCHECK_POLICY_MAX_SESSIONS": "1.5"},
            "COATCHECK_POLICY_MAX_SESSIONS='1.5' is not possible: write a whole number",
        ),
        (
            {"COATCHECK_VALUES_JITTER": "10%"},
            "COATCHECK_VALUES_JITTER='10%' is not possible: write a number, such as 0.1",
        ),
        (
            {"COATCHECK_VALUES_REFRESH": "0.9"},
            "COATCHECK_VALUES_REFRESH='0.9' is not possible: use 0 (never in the background) to 0.5",
        ),
        (
            {"COATCHECK_VALUES_MAX_VALUE_BYTES": "33554432"},
            "values.max_bytes=67108864 (the default) is not possible: use four times max_value_bytes or more",
        ),
        (
            {"COATCHECK_SHARED_CACHE_ENABLED": "perhaps"},
            "COATCHECK_SHARED_CACHE_ENABLED='perhaps' is not possible: write true or false",
        ),
        (
            {"COATCHECK_USERS_EMAIL": "e-mail"},
            "COATCHECK_USERS_EMAIL='e-mail' is not possible: use letters, digits and underscores",
        ),
        (
            {"COATCHECK_STORE_POOL_SIZE": "8"},
            "COATCHECK_STORE_POOL_SIZE='8' is not possible: a sqlite store has no such option; remove it",
        ),
        (
            {"COATCHECK_STORE": "postgresql://db/app", "COATCHECK_STORE_POOL_SIZE": "0"},
            "COATCHECK_STORE_POOL_SIZE='0' is not possible: use 1 to 1000",
        ),
        (
            {"COATCHECK_POLICY_IDLE_TIMEOUT": "1m"},
            "policy.touch_every=0:05:00 (the default) is not possible: use at most half of the idle timeout",
        ),
        (
            {"COATCHECK_SHARED_CACHE_DATABASE": "1"},
            (
                "COATCHECK_SHARED_CACHE_DATABASE='1' is not possible: "
                "there is no shared cache: set its URL, such as 'valkey://host:6379/0'"
            ),
        ),
        (
            {"COATCHECK_SHARED_CACHE": "memcached://cache", "COATCHECK_KEYS": KEY},
            "COATCHECK_SHARED_CACHE='memcached://cache' is not possible: use a URL such as 'valkey://host:6379/0'",
        ),
        (
            {"COATCHECK_SHARED_CACHE": "valkey://cache"},
            "keys are missing: set them, or remove shared_cache: copies there are sealed with keys made of them",
        ),
        (
            {"COATCHECK_STORE": "valkey://db", "COATCHECK_USERS_TABLE": "people"},
            (
                "COATCHECK_USERS_TABLE='people' is not possible: "
                "a valkey store has no tables; remove it, or use an SQL store"
            ),
        ),
        ({"COATCHECK_PURPOSE": " "}, "COATCHECK_PURPOSE=' ' is not possible: it is empty; name it, or leave it out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_variable_is_named_with_its_value_and_the_fix(environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Settings.load(environ=STORE | environ if environ else {})
    assert str(raised.value) == complaint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("store = 1", "coatcheck.store in coatcheck.toml is a group of settings: write a table, as [coatcheck.store]"),
        ("stor = 'x'", "coatcheck.stor in coatcheck.toml is no setting: use coatcheck.store"),
        (
            "policy = 5",
            "coatcheck.policy in coatcheck.toml is a group of settings: write a table, as [coatcheck.policy]",
        ),
        (
            "[coatcheck.policy]\nidle_timout = '1h'",
            "coatcheck.policy.idle_timout in coatcheck.toml is no setting: use coatcheck.policy.idle_timeout",
        ),
        (
            "[coatcheck.policy]\nidle_timeout = 00:15:00",
            (
                "coatcheck.policy.idle_timeout=00:15:00 in coatcheck.toml is not possible: "
                "write '30 days', '15m', '2s', '250ms', 'PT15M', or a number of seconds"
            ),
        ),
        (
            "[coatcheck.cache]\nmax_entries = true",
            "coatcheck.cache.max_entries=True in coatcheck.toml is not possible: write a whole number",
        ),
        (
            "deployment = ['a']",
            "coatcheck.deployment=['a'] in coatcheck.toml is not possible: write a text",
        ),
        (
            "[coatcheck.values]\njitter = true",
            "coatcheck.values.jitter=True in coatcheck.toml is not possible: write a number, such as 0.1",
        ),
        (
            "[coatcheck.policy]\ncarry_over = [1]",
            (
                "coatcheck.policy.carry_over=[1] in coatcheck.toml is not possible: "
                "write a list of texts, or one text with commas"
            ),
        ),
        (
            "[coatcheck.shared_cache]\nurl = 'valkey://c/1'\ndatabase = 2",
            (
                "coatcheck.shared_cache.database=2 in coatcheck.toml is not possible: "
                "the URL names a database too: remove one of them"
            ),
        ),
        (
            "[coatcheck.shared_cache]\nurl = 'valkey+cluster://c'\ndatabase = 2",
            "coatcheck.shared_cache.database=2 in coatcheck.toml is not possible: a cluster has only the database 0",
        ),
        (
            "[coatcheck.cache]\nenabled = true\nmax_entries = 0",
            (
                "coatcheck.cache.enabled=True in coatcheck.toml is not possible: "
                "max_entries is 0, which switches it off; set one of them"
            ),
        ),
    ],
)
def test_a_wrong_key_in_a_file_is_named_with_the_file(text: str, complaint: str) -> None:
    file = written(f"[coatcheck]\n{text}\n")
    with pytest.raises(ConfigurationError) as raised:
        Settings.load(file, environ=STORE)
    assert str(raised.value) == complaint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "[coatcheck]\nkeys = ['hunter2",
            r"^config='coatcheck\.toml' is not possible: it is no TOML \(at .*\); mend it$",
        ),
        ("[coatcheck]\nx = 1\n[tool.coatcheck]\nx = 1", "has both .coatcheck. and .tool.coatcheck.: remove one"),
        ("[project]\nname = 'shop'", r"has no table \[coatcheck\]: write the settings below"),
        ("coatcheck = 'hunter2'", r"has no table: coatcheck is a value: make it a table"),
        ("tool = 'hunter2'", r"has no table \[coatcheck\]"),
        ("\udcff", "it is not UTF-8; mend it"),
    ],
    ids=["no toml", "both", "none", "a value", "tool is a value", "no utf-8"],
)
def test_a_file_that_cannot_be_used_is_named(folder: Path, text: str, complaint: str) -> None:
    (folder / "coatcheck.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigurationError, match=complaint) as raised:
        Settings.load("coatcheck.toml", environ=STORE)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ({"policie": {}}, "policie is no setting: use policy"),
        ({"policy": {"idle": 1}}, "policy.idle is no setting: use policy.idle_timeout"),
        ({"policy": 5}, "policy is a group of settings: give a mapping of settings"),
        ({"policy": {"max_sessions": 0}}, "policy.max_sessions=0 is not possible: use 1 or more, or None for no limit"),
        (
            {"store": "sqlite://"},
            "store='sqlite://' is not possible: use 'sqlite:///app.db' or 'sqlite:////srv/app.db'",
        ),
        ({"store": None}, "store is a group of settings: give a mapping of settings"),
    ],
    ids=str,
)
def test_a_wrong_keyword_is_named(code: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Settings.load(environ=STORE, **code)
    assert str(raised.value) == complaint


def test_a_wrong_object_is_refused_as_well() -> None:
    """Whoever makes the object directly gets the same checks."""
    for wrong in (
        {"store": "oracle://db"},
        {"store": "sqlite:///a.db", "store_options": StoreOptions(pool_size=3)},
        {"store": "sqlite:///a.db", "keys": ("short",)},
        {"store": "sqlite:///a.db", "shared_cache": "valkey://cache"},
        {"store": "valkey://db", "users": UsersTable()},
        {"store": "sqlite:///a.db", "deployment": ""},
    ):
        with pytest.raises(ConfigurationError):
            Settings(**wrong)
    with pytest.raises(FrozenInstanceError):
        CODE.store = "sqlite:///b.db"  # type: ignore[misc]


# --- secrets


def test_T9_no_secret_is_in_what_can_be_printed() -> None:
    for thing in (repr(CODE), str(CODE), repr(CODE.effective()), f"{CODE}", repr(CODE.store_options)):
        for secret in ("hunter2", KEY, OTHER_KEY):
            assert secret not in thing
    assert "store.url='postgresql://***@db/app'" in repr(CODE)
    assert CODE.effective()["keys"] == "2 of them"
    options = StoreOptions(replica_url="postgresql://a:hunter2@b", listen_url="postgresql://a:hunter2@b")
    assert "hunter2" not in repr(Settings(store="postgresql://db/app", store_options=options))
    assert "hunter2" not in repr(options)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    secret=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0,"), min_size=1),
    name=st.sampled_from(["store", "shared_cache", "store.replica_url", "store.listen_url", "keys"]),
)
def test_T9_no_error_shows_a_secret(secret: str, name: str) -> None:
    """Whatever a key or a password is made of, in a variable, in code or in the wrong place."""
    secret = f"hunter2{secret}hunter2"
    value = secret if name == "keys" else f"postgresql://ada:{secret}@db/app"
    path = {"store": "store.url", "shared_cache": "shared_cache.url"}.get(name, name)
    attempts: list[tuple[Mapping[str, str], dict[str, Any]]] = [
        ({"COATCHECK_STORE": "postgresql://db/app", variable_of(path): value}, {}),
        ({"COATCHECK_STORE": "sqlite:///app.db", variable_of(path): value}, {}),
        ({variable_of(path) + "X": value}, {}),
        (STORE, {"keys": [value, value]}),
        (STORE, {"keys": {value: value}}),
        (STORE, {"store": {"url": [value]}}),
    ]
    for environ, code in attempts:
        try:
            made = Settings.load(environ=environ, **code)
        except ConfigurationError as error:
            assert "hunter2" not in str(error)  # noqa: PT017 - both outcomes are good
        else:
            assert "hunter2" not in repr(made)


# --- the object


def test_settings_are_a_value() -> None:
    """They can be compared, hashed, copied and sent to another process."""
    again = pickle.loads(pickle.dumps(CODE))  # noqa: S301 - our own bytes
    assert again == copy.deepcopy(CODE) == CODE
    assert hash(again) == hash(CODE)
    assert Settings(store="sqlite:///app.db") != CODE
    loaded = Settings.load(environ=ENVIRONMENT)
    assert pickle.loads(pickle.dumps(loaded)).origins == loaded.origins  # noqa: S301


# --- what they make


def test_sessions_are_wired_as_configured() -> None:
    clock = ManualClock()
    found = Settings.load(
        environ=STORE | {"COATCHECK_STORE_MIGRATE": "no", "COATCHECK_CACHE_LEASE": "1s"},
        keys=[KEY],
        deployment="shop",
        purpose="admin",
        policy=Policy(max_sessions=1),
        users={"table": "people"},
    )
    made = found.sessions(clock=clock, on_event=print)
    assert isinstance(made, Sessions)
    assert isinstance(made.store, SQLiteStore)
    assert (made.store.path, made.store.users, made.store._migrate_on_open) == ("app.db", found.users, False)
    assert made.store._clock is clock
    assert (made.policy, made.cache_settings, made.signing_keys) == (found.policy, found.cache, 1)
    assert made.notes_clients
    other = found.async_sessions()
    assert isinstance(other, AsyncSessions)
    assert isinstance(other.store, AsyncSQLiteStore)
    assert (other.policy, other.cache_settings, other.signing_keys) == (found.policy, found.cache, 1)


def test_a_token_made_under_other_settings_is_not_accepted() -> None:
    """Deployment, purpose and keys arrive where they are used."""
    environ = STORE | {"COATCHECK_KEYS": KEY, "COATCHECK_DEPLOYMENT": "shop"}
    with Settings.load(environ=environ).sessions() as sessions:
        token = sessions.create("ada").token
        assert sessions.get(token)
    for changed in ({"deployment": "blog"}, {"purpose": "admin"}, {"keys": [OTHER_KEY]}):
        with Settings.load(environ=environ, **changed).sessions() as sessions:
            assert not sessions.get(token)
    with Settings.load(environ=environ, keys=[OTHER_KEY, KEY]).sessions() as sessions:
        assert sessions.get(token)


@pytest.mark.anyio
async def test_what_only_code_can_say_is_handed_on() -> None:
    async def load_users(ids: Sequence[str]) -> Mapping[str, User]:
        return {user_id: User(id=user_id, name=user_id.title()) for user_id in ids}

    async with Settings.load(environ=STORE).async_sessions(load_users=load_users) as sessions:
        created = await sessions.create("ada")
        assert created.session.user is not None
        assert created.session.user.name == "Ada"


@pytest.mark.parametrize("enabled", [True, False])
def test_a_shared_cache_that_is_switched_off_is_not_used(*, enabled: bool) -> None:
    """Nobody connects to find out: there is no server at that port."""
    shared = {"url": "valkey://127.0.0.1:9", "enabled": enabled}
    with Settings.load(environ=STORE, keys=[KEY], shared_cache=shared).sessions() as sessions:
        part = sessions.health().part("shared_cache")
        assert (part is not None) == enabled


@pytest.mark.parametrize("store", ["postgresql", "valkey"])
def test_every_store_can_be_configured(store: str, request: pytest.FixtureRequest) -> None:
    """On a real server, with a real shared cache."""
    cache_url = request.getfixturevalue("valkey_url")
    url = request.getfixturevalue("postgresql_url") if store == "postgresql" else cache_url
    options = {"timeout": "2s", **({"schema": "public", "pool_size": 2} if store == "postgresql" else {"prefix": "x"})}
    shared = {"url": cache_url.rpartition("/")[0], "database": 3}
    made = Settings.load(environ={"COATCHECK_STORE": url}, keys=[KEY], store=options, shared_cache=shared)
    with made.sessions() as sessions:
        created = sessions.create("ada")
        assert sessions.get(created.token)
        assert sessions.revoke(created.token)
        until(lambda: not sessions.get(created.token), "the revoked session is refused")


def test_a_store_that_is_away_is_not_a_wrong_setting() -> None:
    with pytest.raises(Unavailable):
        Settings(store="postgresql://127.0.0.1:9/app").sessions().open()

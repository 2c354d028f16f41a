"""`coatcheck check` and what stands behind it: the configuration in words, and what of it is unsafe."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import (
    AsyncSessions,
    CacheSettings,
    CookieSettings,
    CrossOriginPolicy,
    NotSignedIn,
    Policy,
    Session,
    Sessions,
    TokenHash,
    UsersTable,
)
from coatcheck.describe import describe, in_words
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import AsyncMemoryStore, ManualClock, MemoryCache, MemoryStore
from coatcheck.web.settings import WebSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coatcheck.describe import Unsafe
    from tests.cli.conftest import Result

    Run = Callable[..., Result]

STORE = ("--store", "sqlite:///app.db")
KEYS = ["jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM", "X0PFgLtCTnDsKl8r7WqYw2ZbIuEvHx3Aj5RmNp9Qk1o"]
DAY = timedelta(days=1)

GOLDEN = """\
configuration: defaults, and settings of the command line
  policy.idle_timeout           7 days
  policy.lifetime               30 days
  policy.remember_idle_timeout  30 days
  policy.remember_lifetime      90 days
  policy.touch_every            5 minutes
  policy.max_sessions           no limit
  policy.max_data_bytes         16384
  policy.carry_over             none: nothing of a visitor's survives sign-in
  policy.rotate_after           off: tokens change at sign-in, with another proof of who the user is and with privileges
  policy.audit_keep_for         off: no audit trail is kept
  policy.notice_new_devices     off
  token_hash                    SHA-256, bound to its purpose
  signing_keys                  none: tokens are not signed
  cookie.name                   __Host-session
  cookie.secure                 yes
  cookie.http_only              yes
  cookie.same_site              lax
  cookie.domain                 none: this host only
  cookie.path                   /
  cookie.persistent             no: kept until the browser closes, unless remembered
  device_binding                off: a stolen cookie works anywhere until its session ends
  cross_origin                  requests from other origins that can change something are refused
  cross_origin.exempt           none
  cross_origin.trusted_origins  none
  cross_origin.allow_missing    no
  bearer                        no
  dpop                          off: a bearer token works for whoever has it
  second_factor                 within 10 minutes of the first, 5 attempts
  most_accounts                 5 in one browser
  trusted_hops                  0 proxies in front
  sign_in_path                  /login
  clear_site_data               no
  stream_check_every            open sockets and streams end within 250 milliseconds
  strict_transport_security     not sent by coatcheck: send it from your application or proxy
  cache.max_entries             at most 100000 sessions
  cache.ttl                     10 minutes
  cache.lease                   2 seconds
  cache.serve_stale_for         off
  shared_cache                  none
  revocation_bound              0: from the next request on, in every process
  store                         SQLite, app.db
  store.users                   none
settings:
  store.url  sqlite:///app.db  --store
"""

UNSAFE_APP = """\
from datetime import timedelta
from starlette.applications import Starlette
from coatcheck import AsyncSessions, CacheSettings, CookieSettings, CrossOriginPolicy, Policy, UsersTable
from coatcheck.starlette import SessionMiddleware

sessions = AsyncSessions(
    "sqlite:///app.db",
    policy=Policy(lifetime=timedelta(days=365), idle_timeout=timedelta(hours=1, minutes=30), max_sessions=3),
    keys=["jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM", "X0PFgLtCTnDsKl8r7WqYw2ZbIuEvHx3Aj5RmNp9Qk1o"],
    cache=CacheSettings(max_entries=0),
    users=UsersTable(table="people", name=None, email=None, role=None),
)
app = Starlette()
app.add_middleware(
    SessionMiddleware,
    sessions=sessions,
    cookie=CookieSettings(name="sid", secure=False, domain="example.org", persistent=True),
    cross_origin=CrossOriginPolicy(trusted_origins=["http://partner.example"], exempt=["POST /hook/"]),
    trusted_hops=2,
)
"""
GOLDEN_UNSAFE = """\
configuration: the application shop:app
  policy.idle_timeout           1 hour 30 minutes
  policy.lifetime               365 days
  policy.remember_idle_timeout  30 days
  policy.remember_lifetime      90 days
  policy.touch_every            5 minutes
  policy.max_sessions           3; beyond that the oldest ends
  policy.max_data_bytes         16384
  policy.carry_over             none: nothing of a visitor's survives sign-in
  policy.rotate_after           off: tokens change at sign-in, with another proof of who the user is and with privileges
  policy.audit_keep_for         off: no audit trail is kept
  policy.notice_new_devices     off
  token_hash                    SHA-256, bound to its purpose
  signing_keys                  2; the first signs, all verify
  cookie.name                   sid
  cookie.secure                 no
  cookie.http_only              yes
  cookie.same_site              lax
  cookie.domain                 example.org
  cookie.path                   /
  cookie.persistent             yes: kept as long as the session can live
  device_binding                off: a stolen cookie works anywhere until its session ends
  cross_origin                  requests from other origins that can change something are allowed for those named
  cross_origin.exempt           POST /hook/
  cross_origin.trusted_origins  http://partner.example
  cross_origin.allow_missing    no
  bearer                        no
  dpop                          off: a bearer token works for whoever has it
  second_factor                 within 10 minutes of the first, 5 attempts
  most_accounts                 5 in one browser
  trusted_hops                  2 proxies in front
  sign_in_path                  /login
  clear_site_data               no
  stream_check_every            open sockets and streams end within 250 milliseconds
  strict_transport_security     not sent by coatcheck: send it from your application or proxy
  cache.max_entries             off
  cache.ttl                     10 minutes
  cache.lease                   2 seconds
  cache.serve_stale_for         off
  shared_cache                  none
  revocation_bound              0: from the next request on, in every process
  store                         SQLite, app.db
  store.users                   table people
  store.problem                 trigger coatcheck_user_deleted is missing or altered, so changes by hand are not seen
UNSAFE L4 policy.lifetime: 365 days: a stolen session can be used for longer than 30 days; \
use at most timedelta(days=30)
UNSAFE C1 cookie.name: sid: a sibling subdomain or plain http can plant a cookie of this name; use '__Host-session'
UNSAFE C1 cookie.secure: no: whoever listens on the network gets the cookie; use True, and https
UNSAFE C1 cookie.domain: example.org: every subdomain gets the cookie; use None
UNSAFE X5 cross_origin.trusted_origins: http://partner.example: \
whoever sits on the network can send requests from it; use its https origin
UNSAFE L11 store.problem: trigger coatcheck_user_deleted is missing or altered, so changes by hand are not seen: \
the store cannot keep its promise; run `coatcheck migrate`
6 unsafe settings
"""


def unsafe_of(sessions: AsyncSessions | Sessions | None = None, web: WebSettings | None = None) -> dict[str, Unsafe]:
    """Return what is unsafe about a configuration, by setting."""
    lines = describe(sessions or Sessions("sqlite:///app.db"), web or WebSettings())
    return {line.setting: line.unsafe for line in lines if line.unsafe is not None}


def shown(sessions: AsyncSessions | Sessions, web: WebSettings | None = None) -> dict[str, str]:
    return {line.setting: line.value for line in describe(sessions, web or WebSettings())}


# --- the command


def test_check_of_the_defaults_prints_them_and_finds_nothing_unsafe(run: Run) -> None:
    """With only a store it judges the defaults and the database."""
    run("migrate", *STORE)
    result = run("check", *STORE)
    assert (result.code, result.out, result.err) == (0, f"{GOLDEN}no unsafe setting\n", "")


def test_check_of_an_application_names_each_unsafe_setting(run: Run, folder: Path) -> None:
    """One line for each, with its rule, the reason and the fix, and exit 1."""
    (folder / "shop.py").write_text(UNSAFE_APP, encoding="utf-8")
    with closing(sqlite3.connect("app.db")) as database, database:
        database.execute("CREATE TABLE people (id INTEGER PRIMARY KEY)")
    SQLiteStore("app.db", users=UsersTable(table="people", name=None, email=None, role=None)).migrate()
    with closing(sqlite3.connect("app.db")) as database, database:
        database.execute("DROP TRIGGER coatcheck_user_deleted")
    result = run("check", "--app", "shop:app")
    assert (result.code, result.out, result.err) == (1, GOLDEN_UNSAFE, "")


def test_check_says_when_the_tables_are_missing(run: Run, folder: Path) -> None:
    """A database that was never migrated is a finding, and looking at it creates nothing."""
    result = run("check", *STORE)
    line = "UNSAFE L7 store.problem: there is no such file: the store cannot keep its promise; run `coatcheck migrate`"
    problem = "  store.problem                 there is no such file\nsettings:"
    expected = GOLDEN.replace("settings:", problem)
    assert (result.code, result.out) == (1, f"{expected}{line}\n1 unsafe setting\n")
    assert list(folder.iterdir()) == []


# --- the rules


def test_nothing_about_the_defaults_is_unsafe() -> None:
    """Who sets nothing is safe."""
    assert unsafe_of() == {}


@pytest.mark.parametrize("preset", [Policy.aal1(), Policy.aal2(), Policy.aal3()], ids=["aal1", "aal2", "aal3"])
def test_nothing_about_the_presets_is_unsafe(preset: Policy) -> None:
    """The policies that come with coatcheck pass its own check."""
    assert unsafe_of(Sessions("sqlite:///app.db", policy=preset)) == {}


@pytest.mark.parametrize(
    ("rule", "setting", "settings"),
    [
        ("L3", "policy.idle_timeout", {"idle_timeout": 31 * DAY}),
        ("L4", "policy.lifetime", {"lifetime": 31 * DAY}),
        ("L3", "policy.remember_idle_timeout", {"remember_idle_timeout": 91 * DAY}),
        ("L4", "policy.remember_lifetime", {"remember_lifetime": 91 * DAY}),
        ("L4", "policy.lifetime", {"lifetime": None, "extend_when_less_than": DAY}),
    ],
)
def test_L3_L4_a_session_that_can_live_long_is_unsafe(rule: str, setting: str, settings: dict[str, Any]) -> None:
    """Thirty days, ninety if remembered: beyond that each duration is named."""
    found = unsafe_of(Sessions("sqlite:///app.db", policy=Policy(**settings)))
    assert {name: unsafe.rule for name, unsafe in found.items()} == {setting: rule}


@pytest.mark.parametrize("days", [30, 29])
def test_L4_thirty_days_are_allowed(days: int) -> None:
    """The limit itself is safe."""
    assert unsafe_of(Sessions("sqlite:///app.db", policy=Policy(lifetime=days * DAY))) == {}


@pytest.mark.parametrize(
    ("rules", "settings"),
    [
        ({"cookie.name": "C1"}, {"name": "sid"}),
        ({"cookie.name": "C1"}, {"name": "__Secure-sid"}),
        ({"cookie.name": "C1", "cookie.secure": "C1"}, {"name": "sid", "secure": False}),
        ({"cookie.name": "C1", "cookie.domain": "C1"}, {"name": "sid", "domain": "example.org"}),
        ({"cookie.http_only": "C2"}, {"http_only": False}),
        ({"cookie.same_site": "C2"}, {"same_site": "none"}),
        ({}, {"same_site": "strict", "persistent": True}),
        ({}, {"name": "__Host-Http-sid"}),
    ],
)
def test_C1_C2_a_weaker_cookie_is_unsafe(rules: dict[str, str], settings: dict[str, Any]) -> None:
    """Each attribute that protects the cookie is named where it is missing."""
    found = unsafe_of(web=WebSettings(cookie=CookieSettings(**settings)))
    assert {name: unsafe.rule for name, unsafe in found.items()} == rules


@pytest.mark.parametrize(
    ("rules", "settings"),
    [
        ({"cross_origin.allow_missing": "X1"}, {"allow_missing": True}),
        ({"cross_origin.trusted_origins": "X5"}, {"trusted_origins": ["http://partner.example"]}),
        ({}, {"trusted_origins": ["https://partner.example", "http://localhost:5173", "http://[::1]:5173"]}),
        ({"cross_origin.trusted_origins": "X5"}, {"trusted_origins": ["http://localhost.evil.example"]}),
        ({}, {"exempt": ["POST /hook/"]}),
    ],
)
def test_X1_X5_a_gap_in_cross_origin_protection_is_unsafe(rules: dict[str, str], settings: dict[str, Any]) -> None:
    """An origin over plain http, or requests that do not say where they come from."""
    found = unsafe_of(web=WebSettings(cross_origin=CrossOriginPolicy(**settings)))
    assert {name: unsafe.rule for name, unsafe in found.items()} == rules


@pytest.mark.parametrize("side", [AsyncSessions, Sessions])
def test_both_sides_are_described_alike(side: type[AsyncSessions | Sessions]) -> None:
    """An asyncio application and a threaded one with the same settings are the same."""
    assert shown(side("sqlite:///app.db")) == shown(Sessions("sqlite:///app.db"))


def test_values_are_those_that_were_set() -> None:
    """What is not a default is printed as it was given."""
    sessions = Sessions(
        SQLiteStore("people.db", users=UsersTable(table="people")),
        policy=Policy(max_sessions=lambda _: 3, when_full="ask", extend_when_less_than=DAY),
        token_hash=TokenHash("blake3", adopted="text"),
        keys=KEYS[:1],
        cache=CacheSettings(max_entries=5, ttl=timedelta(seconds=61), lease=timedelta(milliseconds=1500)),
    )
    found = shown(sessions, WebSettings(bearer=True, sign_in_path="/in", clear_site_data=True))
    assert found["policy.max_sessions"] == (
        "as many as a function of the user says; beyond that the user is asked which to end"
    )
    assert found["policy.extend_when_less_than"] == "1 day"
    assert found["token_hash"] == "BLAKE3, of an adopted table, bound to no purpose"
    assert found["signing_keys"] == "1; the first signs, all verify"
    assert found["cache.max_entries"] == "at most 5 sessions"
    assert found["cache.ttl"] == "1 minute 1 second"
    assert found["cache.lease"] == "1 second 500 milliseconds"
    assert (found["store"], found["store.users"]) == ("SQLite, people.db", "table people")
    assert (found["bearer"], found["sign_in_path"], found["clear_site_data"]) == ("yes", "/in", "yes")


def test_the_bound_of_a_store_that_is_polled_is_the_lease() -> None:
    """Where a store cannot tell at once that nothing has changed, a copy may live as long as the lease."""
    sessions = AsyncSessions(AsyncMemoryStore(), cache=CacheSettings(lease=timedelta(seconds=5)))
    assert shown(sessions)["revocation_bound"] == "at most 5 seconds"


AT_ONCE = "0: from the next request on, in every process"
UNCACHED = CacheSettings(max_entries=0, serve_stale_for=timedelta(seconds=30))
STALE = CacheSettings(serve_stale_for=timedelta(seconds=30))


class StoreWithReplica(MemoryStore):
    """A store that says it has a replica; nobody asks it."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = self.capabilities._replace(replica=True)


@pytest.mark.parametrize(
    ("bound", "store", "settings"),
    [
        ("at most 2 seconds", MemoryStore(), {}),
        ("at most 2 seconds under any fault, milliseconds without one", MemoryStore(pushes_changes=True), {}),
        ("at most 32 seconds", MemoryStore(), {"cache": STALE}),
        (AT_ONCE, "sqlite:///app.db", {}),
        (f"{AT_ONCE}; at most 32 seconds while the store does not answer", "sqlite:///app.db", {"cache": STALE}),
        # What is not in memory is not served stale, and what is nowhere has to be asked for.
        (AT_ONCE, MemoryStore(), {"cache": UNCACHED}),
        (AT_ONCE, "sqlite:///app.db", {"cache": UNCACHED}),
        ("at most 2 seconds", MemoryStore(), {"cache": UNCACHED, "shared_cache": MemoryCache(), "keys": KEYS}),
        ("at most 2 seconds", StoreWithReplica(), {"cache": UNCACHED}),
    ],
)
def test_the_bound_is_that_of_what_may_answer(bound: str, store: Any, settings: dict[str, Any]) -> None:
    """Memory, the shared cache and a replica are believed by the log; the store itself by nothing."""
    assert shown(Sessions(store, **settings))["revocation_bound"] == bound


def test_L7_serving_what_may_have_ended_for_long_is_unsafe() -> None:
    """Only what is in memory is served so."""
    for minutes, entries, unsafe in ((5, 10, False), (6, 10, True), (6, 0, False)):
        cache = CacheSettings(serve_stale_for=timedelta(minutes=minutes), max_entries=entries)
        assert ("cache.serve_stale_for" in unsafe_of(Sessions(MemoryStore(), cache=cache))) == unsafe


def test_a_bound_of_zero_is_kept_without_a_cache() -> None:
    """Time stands still: all that the worker knows of the log is from before the revocation."""
    store, clock = MemoryStore(), ManualClock()
    worker, elsewhere = (Sessions(store, cache=UNCACHED, clock=clock) for _ in range(2))
    assert shown(worker)["revocation_bound"] == AT_ONCE
    token = elsewhere.create("ann").token
    assert isinstance(worker.get(token), Session)
    elsewhere.revoke(token)
    assert worker.get(token) is NotSignedIn.UNKNOWN


def test_wait_waits_for_what_is_served_stale_also_where_the_store_notices_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise a revocation could return while a worker that cannot read the file accepts what it has ended."""
    waited: list[float] = []
    monkeypatch.setattr("coatcheck._sync.log_reader.sleep", waited.append)
    for cache in (CacheSettings(), STALE):
        with Sessions("sqlite:///app.db", cache=cache) as sessions:
            sessions.revoke(sessions.create("ann").token, wait=True)
    assert waited == [32.0]


def test_S3_keys_are_counted_and_never_shown() -> None:
    """Nothing of a key is in any line."""
    lines = describe(Sessions("sqlite:///app.db", keys=KEYS), WebSettings())
    assert next(line.value for line in lines if line.setting == "signing_keys").startswith("2;")
    assert not any(key[:8] in str(line) for key in KEYS for line in lines)


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(0), "0 seconds"),
        (timedelta(microseconds=1), "0 seconds"),
        (timedelta(milliseconds=1), "1 millisecond"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(days=30), "30 days"),
        (timedelta(days=1, hours=2, minutes=3, seconds=4), "1 day 2 hours 3 minutes 4 seconds"),
    ],
)
def test_durations_are_read_as_words(duration: timedelta, words: str) -> None:
    """Units that people think in."""
    assert in_words(duration) == words


def test_what_the_gate_tells_whom(run: Run, tmp_path: Path) -> None:
    """With its own cookie, and without its keys."""
    key = "mZ4rT8wQ1xV6bN3cJ7kL0pS5dF9gH2yU-internal"
    config = tmp_path / "gate.toml"
    config.write_text(
        f'[coatcheck]\nstore = "sqlite:///{tmp_path}/app.db"\n[coatcheck.serve]\nservice_keys = ["{key}"]\n'
        'cookie = "shop"\nsign_in_url = "http://login.example.org/"\norigins = ["https://shop.example.org"]\n'
    )
    result = run("check", "--config", str(config))
    for line in (
        "UNSAFE X5 serve.sign_in_url: http://login.example.org/: sign-in can be read on the way; use its https address",
        "UNSAFE C1 cookie.name: shop",
        "serve.service_keys            1; each opens the internal API",
        "serve.headers                 user as X-Coatcheck-User, session as X-Coatcheck-Session",
    ):
        assert " ".join(line.split()) in " ".join(result.out.split())
    assert key not in result.out

"""`coatcheck check` where a provider issues the sessions."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncProviderSessions, ProviderSessions, ProviderSettings
from coatcheck.describe import describe
from coatcheck.testing import AsyncMemoryStore, MemoryCache, MemoryStore
from coatcheck.web.settings import WebSettings
from tests.stub_provider import AsyncStubProvider, StubProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from coatcheck.describe import Unsafe
    from tests.cli.conftest import Result

    Run = Callable[..., Result]

KEYS = ["jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"]
MINUTE = timedelta(minutes=1)
APP = """\
from datetime import timedelta
from starlette.applications import Starlette
from coatcheck import AsyncProviderSessions, ProviderSettings
from coatcheck.starlette import SessionMiddleware
from tests.stub_provider import AsyncStubProvider

provider = AsyncStubProvider(conditions="http://auth.example.org")
settings = ProviderSettings(revalidate_after=timedelta(minutes=30), serve_stale_for=timedelta(hours=1))
sessions = AsyncProviderSessions(provider, "sqlite:///log.db", settings=settings)
app = Starlette()
app.add_middleware(SessionMiddleware, sessions=sessions)
"""
GOLDEN = """\
configuration: the application provided:app
  provider                      stub
  provider.conditions           http://auth.example.org
  provider.revalidate_after     30 minutes
  provider.refused_for          5 seconds
  provider.serve_stale_for      1 hour
  provider.max_entries          at most 100000 sessions
  provider.lease                2 seconds
  shared_cache                  none
  provider.cookie               __Secure-stub.session
  provider.cookie               stub.session
  provider.bearer               yes
  cross_origin                  requests from other origins that can change something are refused
  cross_origin.exempt           none
  cross_origin.trusted_origins  none
  cross_origin.allow_missing    no
  trusted_hops                  0 proxies in front
  sign_in_path                  /login
  clear_site_data               no
  stream_check_every            open sockets and streams end within 250 milliseconds
  strict_transport_security     not sent by coatcheck: send it from your application or proxy
  revocation_bound              0: from the next request on, in every process
  revocation_bound.provider     what it ends by itself and tells nobody: at most 30 minutes, 1 hour 30 minutes \
while it does not answer
  store                         SQLite, log.db
  store.users                   none
UNSAFE C1 provider.conditions: http://auth.example.org: whoever listens on the network between gets every token; use \
https
UNSAFE L7 provider.revalidate_after: 30 minutes: what has ended there can be accepted for longer than 5 minutes; use \
at most timedelta(minutes=5)
UNSAFE L7 provider.serve_stale_for: 1 hour: who can keep the provider from answering can use what has ended there for \
so much longer; use at most timedelta(minutes=5)
UNSAFE C1 provider.cookie: stub.session: a sibling subdomain or plain http can plant a cookie of this name; accept \
only names that begin with '__Secure-' or '__Host-'
4 unsafe settings
"""


def sessions_with(store: Any = None, **settings: Any) -> ProviderSessions:
    """Return sessions of a provider with the safest features unless told otherwise."""
    features = {
        "cookies": ("__Host-stub",),
        **{name: settings.pop(name) for name in ("cookies", "conditions", "bearer") if name in settings},
    }
    own_default = settings.pop("own_default", 5 * MINUTE)
    more = {name: settings.pop(name) for name in ("shared_cache", "keys") if name in settings}
    provider = StubProvider(revalidate_after=own_default, **features)
    return ProviderSessions(provider, store or MemoryStore(), settings=ProviderSettings(**settings), **more)


def shown(sessions: ProviderSessions | AsyncProviderSessions, **web: Any) -> dict[str, str]:
    return {line.setting: line.value for line in describe(sessions, WebSettings(**web))}


def unsafe_of(sessions: ProviderSessions, **web: Any) -> dict[str, Unsafe]:
    lines = describe(sessions, WebSettings(**web))
    return {line.setting: line.unsafe for line in lines if line.unsafe is not None}


@pytest.fixture
def application(folder: Path) -> Iterator[None]:
    """Have an application in the folder, which is imported anew in each test."""
    (folder / "provided.py").write_text(APP, encoding="utf-8")
    yield
    sys.modules.pop("provided", None)


def test_check_of_an_application_behind_a_provider(run: Run, application: None) -> None:
    """What it depends on, each bound in words, and each unsafe setting with its rule."""
    assert run("migrate", "--app", "provided:sessions").code == 0
    result = run("check", "--app", "provided:app")
    assert (result.out, result.err, result.code) == (GOLDEN, "", 1)


def test_commands_about_sessions_say_where_these_are(run: Run, application: None) -> None:
    """To find none would be misleading, and to end none worse."""
    for command in (("list",), ("show", "x"), ("revoke", "x")):
        result = run("sessions", *command, "--app", "provided:app")
        assert result.code == 2
        assert "the sessions are not kept here: stub issues them, list and end them there" in result.err


def test_sweep_and_invalidate_work_on_the_log_of_a_provider(run: Run, application: None) -> None:
    """The log is trimmed by a sweep here too."""
    assert run("migrate", "--app", "provided:app").code == 0
    assert run("sweep", "--app", "provided:app").out == "deleted 0 expired sessions\n"
    assert run("invalidate", "--app", "provided:app", "--namespace", "flags").code == 0


def test_check_of_a_file_with_a_provider(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody has written stands there too, without its secrets."""
    monkeypatch.setattr("coatcheck.configuration.ProviderOptions._class", lambda *_: lambda *_, **__: StubProvider())
    (folder / "coatcheck.toml").write_text(
        "[coatcheck]\nstore = 'sqlite:///log.db'\n[coatcheck.provider]\nkind = 'better-auth'\n"
        "url = 'https://ada.example.org'\nsecrets = ['hunter2']\nrevalidate_after = '1m'"
    )
    assert run("migrate", "--config", "coatcheck.toml").code == 0
    result = run("check", "--config", "coatcheck.toml")
    assert "hunter2" not in result.out + result.err
    assert "provider.revalidate_after     1 minute" in result.out
    assert (
        "provider.secrets           1 of them                coatcheck.provider.secrets in coatcheck.toml" in result.out
    )
    assert result.code == 1  # because of the cookie without a prefix


def test_nothing_is_unsafe_about_defaults_over_https() -> None:
    assert unsafe_of(sessions_with()) == {}


@pytest.mark.parametrize(
    ("rule", "conditions"),
    [
        (None, "https://auth.example.org"),
        (None, "http://localhost:3000/api/auth x"),
        (None, "http://127.0.0.1:3000"),
        (None, "http://[::1]:3000 x"),
        (None, '["https://id.example.org/introspect", "http://issuer.example.org"]'),
        (None, "postgresql://db/auth session user"),
        ("C1", "http://auth.example.org"),
        ("C1", "http://web:3000/api/auth x"),
        ("C1", '["http://id.example.org/introspect", "https://issuer.example.org"]'),
        ("C1", "http://localhost.evil.example"),
    ],
)
def test_C1_a_provider_over_plain_http_is_unsafe_unless_it_is_on_this_machine(
    rule: str | None, conditions: str
) -> None:
    found = unsafe_of(sessions_with(conditions=conditions))
    assert {name: unsafe.rule for name, unsafe in found.items()} == ({"provider.conditions": rule} if rule else {})


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"revalidate_after": 5 * MINUTE}, set()),
        ({"revalidate_after": 6 * MINUTE}, {"provider.revalidate_after"}),
        # Who wants to be asked each time is to be asked each minute.
        ({"revalidate_after": MINUTE, "own_default": timedelta(0)}, set()),
        ({"revalidate_after": 2 * MINUTE, "own_default": timedelta(0)}, {"provider.revalidate_after"}),
        ({"serve_stale_for": 5 * MINUTE}, set()),
        ({"serve_stale_for": 6 * MINUTE}, {"provider.serve_stale_for"}),
    ],
    ids=str,
)
def test_L7_answers_that_are_kept_for_long_are_unsafe(settings: dict[str, Any], names: set[str]) -> None:
    found = unsafe_of(sessions_with(**settings))
    assert set(found) == names
    assert all(unsafe.rule == "L7" for unsafe in found.values())


def test_C1_the_application_s_cookie_counts_where_the_provider_names_none() -> None:
    from coatcheck import CookieSettings

    assert unsafe_of(sessions_with(cookies=(), bearer=None)) == {}
    found = unsafe_of(sessions_with(cookies=(), bearer=None), cookie=CookieSettings(name="sid"))
    assert found["provider.cookie"].rule == "C1"
    assert shown(sessions_with(cookies=(), bearer=None), bearer=True)["provider.bearer"] == "yes"
    assert shown(sessions_with(bearer=False), bearer=True)["provider.bearer"] == "no"


HERE = "0: from the next request on, in every process"
ASKED = "0: it is asked with each request"


@pytest.mark.parametrize(
    ("store", "settings", "here", "there"),
    [
        (MemoryStore, {}, "at most 2 seconds", "at most 5 minutes"),
        (
            lambda: MemoryStore(pushes_changes=True),
            {},
            "at most 2 seconds under any fault, milliseconds without one",
            "at most 5 minutes",
        ),
        (lambda: "sqlite:///log.db", {}, HERE, "at most 5 minutes"),
        (
            MemoryStore,
            {"serve_stale_for": MINUTE},
            "at most 2 seconds",
            "at most 5 minutes, 6 minutes while it does not answer",
        ),
        (MemoryStore, {"revalidate_after": timedelta(0)}, HERE, ASKED),
        (MemoryStore, {"max_entries": 0}, HERE, ASKED),
        (
            MemoryStore,
            {"max_entries": 0, "shared_cache": MemoryCache(), "keys": KEYS},
            "at most 2 seconds",
            "at most 5 minutes",
        ),
    ],
)
def test_the_bounds_are_those_of_what_may_answer(store: Any, settings: dict[str, Any], here: str, there: str) -> None:
    """What ends here is bounded by the log, what the provider ends by itself by when it is asked again."""
    found = shown(sessions_with(store(), **settings))
    assert found["revocation_bound"] == here
    assert found["revocation_bound.provider"].removeprefix("what it ends by itself and tells nobody: ") == there


def test_both_sides_are_described_alike() -> None:
    asyncio = AsyncProviderSessions(AsyncStubProvider(), AsyncMemoryStore())
    threads = ProviderSessions(StubProvider(), MemoryStore())
    assert {**shown(asyncio), "store": ""} == {**shown(threads), "store": ""}

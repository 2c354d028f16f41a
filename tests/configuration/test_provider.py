"""The provider in `Settings`: where it may be written, what is refused, and what is made of it."""

from __future__ import annotations

import sys
from dataclasses import fields
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from coatcheck import (
    AsyncProviderSessions,
    ConfigurationError,
    ProviderOptions,
    ProviderSessions,
    ProviderSettings,
    Settings,
)
from coatcheck.configuration.provider_options import PROVIDERS
from coatcheck.core.refusals import refuse_secret
from coatcheck.core.settings import LONGEST_COPY
from coatcheck.providers.base import HTTPSettings
from tests.stub_provider import AsyncStubProvider, StubProvider

STORE = {"COATCHECK_STORE": "sqlite:///log.db"}
HTTP = {"timeout", "retries", "max_connections"}
SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"  # what no output may hold
KEY = "jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"

FILE = """
[coatcheck]
store = "postgresql://ada:hunter2@db/app"

[coatcheck.provider]
kind = "better-auth"
url = "https://auth.example.org"
base_path = "/api/auth"
cookie_prefix = "shop"
secure_cookies = true
bearer = false
secrets = ["hunter2-hunter2-hunter2-hunter2-hunter2"]
timeout = "1s"
retries = 2
max_connections = 5
revalidate_after = "1m"
refused_for = "2s"
serve_stale_for = "10m"
max_entries = 5000
lease = "500ms"
"""
ENVIRONMENT = {
    "COATCHECK_STORE": "postgresql://ada:hunter2@db/app",
    "COATCHECK_PROVIDER_KIND": "better-auth",
    "COATCHECK_PROVIDER_URL": "https://auth.example.org",
    "COATCHECK_PROVIDER_BASE_PATH": "/api/auth",
    "COATCHECK_PROVIDER_COOKIE_PREFIX": "shop",
    "COATCHECK_PROVIDER_SECURE_COOKIES": "yes",
    "COATCHECK_PROVIDER_BEARER": "no",
    "COATCHECK_PROVIDER_SECRETS": SECRET,
    "COATCHECK_PROVIDER_TIMEOUT": "1",
    "COATCHECK_PROVIDER_RETRIES": "2",
    "COATCHECK_PROVIDER_MAX_CONNECTIONS": "5",
    "COATCHECK_PROVIDER_REVALIDATE_AFTER": "60",
    "COATCHECK_PROVIDER_REFUSED_FOR": "PT2S",
    "COATCHECK_PROVIDER_SERVE_STALE_FOR": "10m",
    "COATCHECK_PROVIDER_MAX_ENTRIES": "5000",
    "COATCHECK_PROVIDER_LEASE": "0.5",
}
CODE = Settings(
    store="postgresql://ada:hunter2@db/app",
    provider=ProviderOptions(
        kind="better-auth",
        url="https://auth.example.org",
        base_path="/api/auth",
        cookie_prefix="shop",
        secure_cookies=True,
        bearer=False,
        secrets=(SECRET,),
        timeout=timedelta(seconds=1),
        retries=2,
        max_connections=5,
        revalidate_after=timedelta(minutes=1),
        refused_for=timedelta(seconds=2),
        serve_stale_for=timedelta(minutes=10),
        max_entries=5000,
        lease=timedelta(milliseconds=500),
    ),
)
FULL: dict[str, dict[str, Any]] = {
    "better-auth": {
        "url": "https://auth.example.org",
        "base_path": "/api/auth",
        "cookie_prefix": "shop",
        "secure_cookies": True,
        "bearer": True,
        "secrets": (SECRET,),
        "origin": "https://shop.example.org",
    },
    "better-auth-database": {
        "url": "postgresql://ada:hunter2@db/auth",
        "secrets": (SECRET,),
        "cookie_prefix": "shop",
        "secure_cookies": False,
        "session_table": "session",
        "user_table": "user",
        "schema": "auth",
        "cookie_domain": "example.org",
        "bearer": False,
        "timeout": timedelta(seconds=1),
        "pool_size": 3,
    },
    "appwrite": {"url": "https://appwrite.example.org/v1", "project": "shop", "cookie": "a_session", "bearer": True},
    "introspection": {
        "url": "https://id.example.org/introspect",
        "client_id": "shop",
        "client_secret": SECRET,
        "auth": "post",
        "issuer": "https://id.example.org",
        "audience": "api",
        "scopes": ("orders",),
        "token_type_required": False,
        "revocation_url": "https://id.example.org/revoke",
        "cookie": "token",
    },
}


def options(kind: str, **more: Any) -> ProviderOptions:
    return ProviderOptions(kind=kind, **FULL[kind], **more)


def as_text(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds()}"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def environment(kind: str, **more: str) -> dict[str, str]:
    """Return the variables of a provider of a kind."""
    return {
        **STORE,
        "COATCHECK_PROVIDER_KIND": kind,
        **{f"COATCHECK_PROVIDER_{name.upper()}": as_text(value) for name, value in FULL[kind].items()},
        **more,
    }


class Made(AsyncStubProvider):
    """Keeps what it was made with, in the place of a provider's own class."""

    def __init__(self, url: str, **arguments: Any) -> None:
        super().__init__()
        self.url = url
        self.arguments = arguments


class MadeForThreads(StubProvider):
    """The same for threads."""

    def __init__(self, url: str, **arguments: Any) -> None:
        super().__init__()
        self.url = url
        self.arguments = arguments


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put classes that only keep their arguments in the place of the real ones."""
    for module in {kind.module for kind in PROVIDERS.values()}:
        stand_in = ModuleType(f"coatcheck.providers.{module}")
        for kind in PROVIDERS.values():
            if kind.module == module:
                setattr(stand_in, kind.provider, MadeForThreads)
                setattr(stand_in, "Async" + kind.provider, Made)
        monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)


def written(text: str) -> str:
    with open("coatcheck.toml", "w", encoding="utf-8") as file:  # noqa: PTH123 - in the folder of the test
        file.write(text)
    return "coatcheck.toml"


# --- where it is written


def test_the_same_can_be_said_in_a_file_in_variables_and_in_code() -> None:
    assert Settings.load(written(FILE), environ={}) == CODE
    assert Settings.load(environ=ENVIRONMENT) == CODE
    assert Settings.load(environ=STORE, store=CODE.store, provider=CODE.provider) == CODE
    group = {each.name: getattr(CODE.provider, each.name) for each in fields(ProviderOptions)}
    assert Settings.load(environ=STORE, store=CODE.store, provider=group) == CODE


def test_without_any_of_its_settings_there_is_no_provider() -> None:
    assert Settings.load(environ=STORE).provider is None


# --- mistakes


@pytest.mark.parametrize(
    ("kind", "changed", "complaint"),
    [
        (
            "appwrite",
            {"KIND": ""},
            "provider.kind is missing: use one of better-auth, better-auth-database, appwrite, ",
        ),
        ("appwrite", {"KIND": "auth0"}, "COATCHECK_PROVIDER_KIND='auth0' is not possible: use one of better-auth, "),
        ("appwrite", {"URL": ""}, "provider.url is missing: set it to where the provider is"),
        (
            "appwrite",
            {"URL": "appwrite.example.org"},
            "COATCHECK_PROVIDER_URL='***' is not possible: use an address such as 'https://auth.example.com', ",
        ),
        (
            "appwrite",
            {"URL": "https://ada:hunter2@appwrite.example.org"},
            "COATCHECK_PROVIDER_URL='https://***@appwrite.example.org' is not possible: use an address such as ",
        ),
        (
            "better-auth-database",
            {"URL": "valkey://:hunter2@db"},
            "COATCHECK_PROVIDER_URL='valkey://***@db' is not possible: use a URL such as 'sqlite:///app.db' or ",
        ),
        (
            "better-auth-database",
            {"URL": "mysql://ada:hunter2@db/auth"},
            "COATCHECK_PROVIDER_URL='mysql://***@db/auth' is not possible: use a URL such as ",
        ),
        (
            "better-auth-database",
            {"SECRETS": ""},
            "provider.secrets is missing: a provider of the kind better-auth-database needs it",
        ),
        (
            "better-auth-database",
            {"RETRIES": "1"},
            (
                "COATCHECK_PROVIDER_RETRIES='1' is not possible: "
                "a provider of the kind better-auth-database has no such option; remove it"
            ),
        ),
        ("appwrite", {"PROJECT": ""}, "provider.project is missing: a provider of the kind appwrite needs it"),
        (
            "appwrite",
            {"CLIENT_SECRET": SECRET},
            (
                "COATCHECK_PROVIDER_CLIENT_SECRET is not possible: "
                "a provider of the kind appwrite has no such option; remove it"
            ),
        ),
        (
            "introspection",
            {"CLIENT_SECRET": ""},
            "provider.client_secret is missing: a provider of the kind introspection needs it",
        ),
        (
            "introspection",
            {"TIMEOUT": "2 hours"},
            "COATCHECK_PROVIDER_TIMEOUT='2 hours' is not possible: use ten milliseconds to one minute",
        ),
        ("introspection", {"RETRIES": "50"}, "COATCHECK_PROVIDER_RETRIES='50' is not possible: use 0 to 5"),
        (
            "introspection",
            {"REVALIDATE_AFTER": "1 day"},
            "COATCHECK_PROVIDER_REVALIDATE_AFTER='1 day' is not possible: use zero (ask always) to one hour",
        ),
        (
            "introspection",
            {"LEASE": "0"},
            "COATCHECK_PROVIDER_LEASE='0' is not possible: use more than zero and at most one minute",
        ),
        ("introspection", {"CLIENT": "x"}, "COATCHECK_PROVIDER_CLIENT is no setting: use COATCHECK_PROVIDER_CLIENT_ID"),
    ],
)
def test_a_mistake_is_named_as_it_was_written(kind: str, changed: dict[str, str], complaint: str) -> None:
    """With its value and the fix, and with no secret."""
    variables = {f"COATCHECK_PROVIDER_{name}": value for name, value in changed.items()}
    with pytest.raises(ConfigurationError) as raised:
        Settings.load(environ=environment(kind, **variables))
    assert str(raised.value).startswith(complaint)
    assert "hunter2" not in str(raised.value)


def test_without_a_provider_there_are_no_sessions_of_one() -> None:
    for make in (Settings.load(environ=STORE).provider_sessions, Settings.load(environ=STORE).async_provider_sessions):
        with pytest.raises(ConfigurationError, match=r"provider is missing: set provider\.url, and provider\.kind"):
            make()


def test_what_the_provider_s_own_class_refuses_is_named_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: Any, **__: Any) -> None:
        refuse_secret("secrets[0]", "is too short", "use 32 characters or more")

    monkeypatch.setattr(sys.modules["coatcheck.providers.better_auth"], "BetterAuth", refusing)
    with pytest.raises(ConfigurationError) as raised:
        Settings.load(environ=environment("better-auth")).provider_sessions()
    assert str(raised.value) == "COATCHECK_PROVIDER_SECRETS[0] is too short: use 32 characters or more"


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of ours that is broken is not: that is no matter of what is installed."""
    monkeypatch.delitem(sys.modules, "coatcheck.providers.appwrite")

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name, name=broken)

    monkeypatch.setattr("coatcheck.configuration.provider_options.import_module", missing)
    broken = "httpx2"
    with pytest.raises(ConfigurationError, match=r"kind='appwrite' .* httpx2 is missing: pip install 'coatcheck\[prov"):
        options("appwrite").provider()
    broken = "coatcheck.providers.nonsense"
    with pytest.raises(ModuleNotFoundError):
        options("appwrite").provider()


# --- secrets


@pytest.mark.parametrize("kind", PROVIDERS)
def test_T9_no_secret_is_in_what_can_be_printed(kind: str) -> None:
    made = Settings(store="sqlite:///log.db", provider=options(kind))
    for thing in (repr(made), repr(made.effective()), repr(made.provider)):
        assert "hunter2" not in thing
    with made.provider_sessions() as sessions:
        assert "hunter2" not in repr(sessions.settings)
    effective = made.effective()
    assert effective["provider.secrets"] == ("1 of them" if kind.startswith("better-auth") else None)
    assert effective["provider.client_secret"] == ("set" if kind == "introspection" else None)


# --- what is made of it


@pytest.mark.parametrize("kind", PROVIDERS)
def test_every_option_reaches_the_provider(kind: str) -> None:
    """By the names that its class has for them; and the test has them all."""
    assert set(FULL[kind]) == PROVIDERS[kind].options | {"url"}
    arguments = {name: value for name, value in FULL[kind].items() if name != "url"}
    http = PROVIDERS[kind].http
    waiting: dict[str, Any] = {"timeout": timedelta(seconds=1), "retries": 0, "max_connections": 5} if http else {}
    expected = {**arguments, **({"settings": HTTPSettings(**waiting)} if http else {})}
    made = Settings(store="sqlite:///log.db", provider=options(kind, **waiting))
    threads = made.provider_sessions()
    assert isinstance(threads, ProviderSessions)
    assert isinstance(threads.provider, MadeForThreads)
    assert (threads.provider.url, threads.provider.arguments) == (FULL[kind]["url"], expected)
    asyncio = made.async_provider_sessions()
    assert isinstance(asyncio, AsyncProviderSessions)
    assert isinstance(asyncio.provider, Made)
    assert (asyncio.provider.url, asyncio.provider.arguments) == (FULL[kind]["url"], expected)


def test_what_is_not_set_is_left_to_the_provider() -> None:
    made = ProviderOptions(kind="better-auth", url="https://auth.example.org").provider()
    assert isinstance(made, MadeForThreads)
    assert made.arguments == {"settings": HTTPSettings()}


def test_the_sessions_are_wired_as_configured() -> None:
    found = Settings.load(
        environ=environment("appwrite", COATCHECK_PROVIDER_REVALIDATE_AFTER="1h", COATCHECK_PROVIDER_LEASE="1s"),
        store={"busy_timeout": "2s"},
        keys=[KEY],
        shared_cache="valkey://127.0.0.1:9",
    )
    client = object()
    made = found.provider_sessions(client=client, on_event=print)
    assert made.revalidate_after == LONGEST_COPY
    assert made.settings == ProviderSettings(revalidate_after=LONGEST_COPY, lease=timedelta(seconds=1))
    assert made.tiers.shared is not None
    assert getattr(made.store, "path", None) == "log.db"
    assert isinstance(made.provider, MadeForThreads)
    assert made.provider.arguments["client"] is client


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_provider_s_sessions_work_with_what_was_configured(kind: str) -> None:
    with Settings.load(environ=environment(kind)).provider_sessions() as sessions:
        assert not sessions.get("stub-token-1")
        assert sessions.health().part("provider") is not None

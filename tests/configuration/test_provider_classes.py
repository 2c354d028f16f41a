"""The table of options is that of the providers' own classes, and what can be configured can be made."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from coatcheck import ConfigurationError, ProviderOptions, Settings
from coatcheck.configuration.provider_options import PROVIDERS
from coatcheck.describe import describe
from coatcheck.web.settings import WebSettings
from tests.configuration.test_provider import FULL

SECRET = "w0VJq3n8bS5yZr1KfT7uXd2Lh9PmAeCg4QiNoRk6jEs"
ONLY_CODE = {"self", "url", "settings", "client", "clock"}
NOT_IN_A_FILE = {"columns", "prepared_statements"}
"""What is too much for one variable, or nobody has asked for."""


def class_of(kind: str, prefix: str) -> Any:
    module = pytest.importorskip(f"coatcheck.providers.{PROVIDERS[kind].module}")
    return getattr(module, prefix + PROVIDERS[kind].provider)


def full(kind: str) -> dict[str, Any]:
    secrets = {"secrets": (SECRET,), "client_secret": SECRET}
    return {name: secrets.get(name, value) for name, value in FULL[kind].items()}


@pytest.mark.parametrize("prefix", ["", "Async"], ids=["threads", "asyncio"])
@pytest.mark.parametrize("kind", PROVIDERS)
def test_the_table_has_the_arguments_of_the_class(kind: str, prefix: str) -> None:
    arguments = set(inspect.signature(class_of(kind, prefix)).parameters)
    assert arguments - ONLY_CODE - NOT_IN_A_FILE == PROVIDERS[kind].options


@pytest.mark.parametrize("kind", PROVIDERS)
def test_T9_everything_can_be_set_and_no_secret_is_shown(kind: str) -> None:
    """Nobody is asked: nothing is connected yet."""
    class_of(kind, "")
    found = Settings(store="sqlite:///log.db", provider=ProviderOptions(kind=kind, **full(kind)))
    for sessions in (found.provider_sessions(), found.async_provider_sessions()):
        lines = {line.setting: line for line in describe(sessions, WebSettings())}
        assert lines["provider"].value == kind
        assert not any(secret in str(lines) for secret in (SECRET, "hunter2"))


@pytest.mark.parametrize("kind", PROVIDERS)
def test_what_its_class_refuses_is_named_as_it_was_written(kind: str) -> None:
    class_of(kind, "")
    wrong = {
        "better-auth": {"base_path": "api auth"},
        "better-auth-database": {"session_table": 'x"; DROP'},
        "appwrite": {"project": "my project"},
        "introspection": {"auth": "password"},
    }[kind]
    ((name, value),) = wrong.items()
    environ = {"COATCHECK_STORE": "sqlite:///log.db", f"COATCHECK_PROVIDER_{name.upper()}": value}
    group = {"kind": kind, **{option: each for option, each in full(kind).items() if option != name}}
    with pytest.raises(ConfigurationError, match=f"^COATCHECK_PROVIDER_{name.upper()}=") as raised:
        Settings.load(environ=environ, provider=group).provider_sessions()
    assert SECRET not in str(raised.value)

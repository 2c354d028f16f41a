"""docs/configuration.md lists every setting, with the default it has."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import timedelta
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from coatcheck import CacheSettings, Policy, ProviderOptions, UsersTable, ValueSettings
from coatcheck.configuration.console_options import ConsoleOptions
from coatcheck.configuration.durations import duration
from coatcheck.configuration.schema import KINDS
from coatcheck.configuration.serve_options import ServeOptions
from coatcheck.core.settings import SharedCacheSettings
from coatcheck.providers.base import HTTPSettings
from coatcheck.stores.postgresql import PostgreSQLStore
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.stores.valkey import ValkeyStore

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
PARTS: dict[str, Any] = {
    "policy": Policy(),
    "cache": CacheSettings(),
    "shared_cache": SharedCacheSettings(),
    "values": ValueSettings(),
    "serve": ServeOptions(),
    "console": ConsoleOptions(),
}
STORES = (SQLiteStore, PostgreSQLStore, ValkeyStore)


def listed() -> dict[str, str]:
    """Read the table: each setting with its default."""
    table = PAGE.partition("## Settings")[2]
    rows = re.findall(r"^\| (`[a-z_.`, ]+`) \| ([^|]*?) ?\|", table, re.MULTILINE)
    found: dict[str, str] = {}
    for names, default in rows:
        paths = re.findall(r"`([a-z_.]+)`", names)
        defaults = [default] if len(paths) == 1 else default.split(", ")
        found |= dict(zip(paths, defaults, strict=True))
    return found


def test_every_setting_is_listed() -> None:
    assert set(listed()) == set(KINDS)


def meant(text: str, like: Any) -> Any:
    """Return what a cell of the table says, as a value like the true one."""
    if text in {"none", ""}:
        return () if isinstance(like, tuple) else None
    if isinstance(like, tuple):
        return tuple(text.split(","))
    if isinstance(like, bool):
        return text == "true"
    if isinstance(like, (int, float)):
        return int(text) if isinstance(like, int) else duration(text).total_seconds()
    return text if isinstance(like, str) else duration(text)


@pytest.mark.parametrize("group", PARTS)
def test_the_defaults_are_true(group: str) -> None:
    for each in fields(PARTS[group]):
        value = getattr(PARTS[group], each.name)
        assert meant(listed()[f"{group}.{each.name}"], value) == value, each.name


def test_the_columns_of_the_users_table_are_true() -> None:
    for each in fields(UsersTable):
        value = getattr(UsersTable(), each.name)
        if each.name != "table":  # which is "users" only once there is a users table
            assert meant(listed()[f"users.{each.name}"], value) == value, each.name


def test_the_defaults_of_the_provider_are_true() -> None:
    """What is none there is the provider's own default."""
    for each in fields(ProviderOptions):
        if each.name not in {"kind", "url"}:
            assert meant(listed()[f"provider.{each.name}"], each.default) == each.default, each.name


def test_what_none_means_for_the_provider_is_true() -> None:
    """As the rows say it in words."""
    waiting = HTTPSettings()
    assert (waiting.timeout, waiting.retries, waiting.max_connections) == (timedelta(seconds=3), 1, 20)
    for name, words in {
        "timeout": "none is 3 seconds",
        "retries": "none is once",
        "max_connections": "none is 20",
    }.items():
        assert re.search(rf"^\| `provider.{name}` \| none \| .*{words}", PAGE, re.MULTILINE), name


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.__name__)
def test_the_defaults_of_the_stores_are_true(store: Any) -> None:
    """One that differs between stores is named with the second."""
    for name, parameter in signature(store).parameters.items():
        text = listed().get(f"store.{name}")
        if text is not None and name != "url":
            first, _, other = text.partition(", Valkey ")
            value = meant(other if other and store is ValkeyStore else first, parameter.default)
            assert value == parameter.default, name

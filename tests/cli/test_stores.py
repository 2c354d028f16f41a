"""Every command works with every store, however it is named: by URL, by a file of settings, by an application."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from coatcheck import Cache, Sessions
from coatcheck.cli import arguments
from coatcheck.cli.target import opened
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Result

    Run = Callable[..., Result]

pytestmark = pytest.mark.processes

KEY = "jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"

SETTINGS = [
    ["store.url", "sqlite:///app.db", "--store"],
    ["shared_cache.url", "valkey://***@cache:6379/2", "tool.coatcheck.shared_cache.url in pyproject.toml"],
    ["store.busy_timeout", "2 seconds", "COATCHECK_STORE_BUSY_TIMEOUT"],
    ["policy.idle_timeout", "1 hour 30 minutes", "COATCHECK_POLICY_IDLE_TIMEOUT"],
    ["policy.carry_over", "cart, language", "tool.coatcheck.policy.carry_over in pyproject.toml"],
    ["cache.lease", "1 second", "tool.coatcheck.cache.lease in pyproject.toml"],
    ["shared_cache.enabled", "yes", "default"],
    ["shared_cache.ttl", "1 hour", "default"],
    ["shared_cache.timeout", "50 milliseconds", "default"],
    ["shared_cache.failures", "3", "default"],
    ["shared_cache.pause", "500 milliseconds", "default"],
    ["shared_cache.longest_pause", "10 seconds", "default"],
    ["keys", "1 of them", "tool.coatcheck.keys in pyproject.toml"],
]


@pytest.fixture(params=["sqlite", "postgresql", "valkey"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name an empty store of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'app.db'}"
    found: str = request.getfixturevalue({"postgresql": "empty_postgresql_url", "valkey": "valkey_url"}[request.param])
    return found


@pytest.fixture(params=["url", "variable", "file", "application"])
def named(request: pytest.FixtureRequest, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Name it in each way."""
    if request.param == "url":
        return ["--store", url]
    if request.param == "variable":
        monkeypatch.setenv("COATCHECK_STORE", url)
        return []
    if request.param == "file":
        (folder / "shop.toml").write_text(f'[coatcheck]\nstore = "{url}"\n', encoding="utf-8")
        return ["--config", "shop.toml"]
    module = f"shop_{abs(hash(url + folder.name))}"
    source = f"from coatcheck import AsyncSessions\nsessions = AsyncSessions({url!r})\n"
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    return ["--app", f"{module}:sessions"]


def test_the_commands_from_the_first_to_the_last(run: Run, url: str, named: list[str]) -> None:
    assert run("migrate", *named).code == 0
    with Sessions(url) as sessions:
        ids = [sessions.create(user, user_agent="curl/8").session.id for user in ("ada", "ada", "bob")]
    listed = json.loads(run("sessions", "list", "--json", *named).out)
    assert {row["id"] for row in listed} == set(ids)
    assert json.loads(run("sessions", "show", ids[0], "--json", *named).out)["user_id"] == "ada"
    assert run("sessions", "revoke", ids[0], *named).out == "ended 1 session\n"
    assert run("sessions", "revoke", ids[0], *named).code == 1
    assert run("sessions", "revoke", "--user", "bob", *named).out == "ended 1 session\n"
    assert run("sweep", *named).out == "deleted 0 expired sessions\n"
    assert run("sessions", "revoke", "--everyone", "--yes", *named).code == 0
    assert json.loads(run("sessions", "list", "--json", *named).out) == []


DROPS = (
    (["--namespace", "flags", "dark"], {"- dark"}),
    (["--namespace", "flags", "--tenant", "acme", "dark", "beta"], {"acme dark", "acme beta"}),
    (["--namespace", "flags"], {f"{tenant} {key}" for tenant in ("-", "acme", "globex") for key in ("dark", "beta")}),
    (["--namespace", "flags", "--tenant", "acme"], {"acme dark", "acme beta"}),
    (["--tenant", "globex"], {"globex dark", "globex beta"}),
    (["--namespace", "other"], set[str]()),
)
"""What is typed after `invalidate`, and the values that an application loads anew after it: tenant and key."""


def loaded_by(cache: Cache) -> set[str]:
    """Ask for all values, and return those that had to be loaded."""
    loaded: set[str] = set()
    for tenant in (None, "acme", "globex"):
        for key in ("dark", "beta"):
            load = partial(loaded.add, f"{tenant or '-'} {key}")
            cache.namespace("flags", tenant=tenant).get_or_load(key, load, ttl=timedelta(hours=1))
    return loaded


def test_values_are_invalidated_in_every_store(run: Run, url: str, named: list[str]) -> None:
    """As an application with caches of its own sees it: by key, by namespace, by tenant; no key is printed."""
    assert run("migrate", *named).code == 0
    with Cache(url) as cache:
        for words, expected in DROPS:
            until(lambda: not loaded_by(cache), "everything is in memory")
            result = run("invalidate", *words, *named)
            assert (result.code, result.err) == (0, "")
            assert not {"dark", "beta"} & set(re.findall(r"\w+", result.out))
            cache.tiers.log.doubt()  # instead of waiting for the news
            assert loaded_by(cache) == expected, words


def test_check_looks_at_the_store_that_is_meant(run: Run, url: str, named: list[str]) -> None:
    """A database without tables is a finding until it is migrated; this server forgets, and that stays one."""
    before = run("check", *named)
    assert (before.code, before.err) == (1, "")
    assert run("migrate", *named).code == 0
    after = run("check", *named)
    forgets = "redis" in url
    assert (after.code, after.err, "store.problem" in after.out) == (int(forgets), "", forgets)
    assert after.out.splitlines()[-1] == ("1 unsafe setting" if forgets else "no unsafe setting")


def test_T9_no_password_is_printed(run: Run, folder: Path) -> None:
    """Nobody answers there; and whatever is said about it, the password is not."""
    url = "postgresql://ada:hunter2@127.0.0.1:9/app?connect_timeout=2"
    result = run("check", "--store", url)
    assert (result.code, "hunter2" in result.out + result.err) == (3, False)
    result = run("sessions", "list", "--store", "valkey://:hunter2@127.0.0.1:9")
    assert (result.code, "hunter2" in result.out + result.err) == (3, False)


def test_check_prints_the_settings_and_where_they_come_from(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that somebody wrote, without keys and passwords."""
    text = f"""
        [tool.coatcheck]
        store = "sqlite:///elsewhere.db"
        keys = ["{KEY}"]
        cache = {{ lease = "1s" }}
        policy = {{ idle_timeout = "2 hours", carry_over = ["cart", "language"] }}
        shared_cache = {{ url = "valkey://:hunter2@cache:6379", database = 2 }}
    """
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("COATCHECK_POLICY_IDLE_TIMEOUT", "90m")
    monkeypatch.setenv("COATCHECK_STORE_BUSY_TIMEOUT", "2s")
    monkeypatch.setenv("COATCHECK_STORE", "sqlite:///variable.db")  # what is typed counts for more
    run("migrate", "--store", "sqlite:///app.db")
    result = run("check", "--config", "pyproject.toml", "--store", "sqlite:///app.db")
    assert (result.code, result.err) == (0, "")
    head, _, rest = result.out.partition("settings:\n")
    assert head.startswith(
        "configuration: defaults, and settings of pyproject.toml, the environment, the command line\n"
    )
    assert "  policy.idle_timeout           1 hour 30 minutes\n" in head
    assert "  shared_cache                  1 hour\n" in head
    assert [re.split(r" {2,}", line.strip()) for line in rest.splitlines()[:-1]] == SETTINGS
    assert "hunter2" not in result.out
    assert KEY not in result.out


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[coatcheck]\nstor = 'sqlite:///a.db'", "coatcheck.stor in shop.toml is no setting: use coatcheck.store"),
        (
            "[coatcheck]\nstore = 'sqlite:///a.db'\n[coatcheck.cache]\nlease = '1 month'",
            (
                "coatcheck.cache.lease='1 month' in shop.toml is not possible: months and years have no fixed length: "
                "write days, such as '30 days'"
            ),
        ),
        (
            "store = 'sqlite:///a.db'",
            "config='shop.toml' has no table [coatcheck]: write the settings below [coatcheck]",
        ),
        (
            "[coatcheck]",
            "store is missing: set COATCHECK_STORE, or store in a file, to a URL such as 'sqlite:///app.db'",
        ),
    ],
    ids=["unknown", "wrong", "no table", "no store"],
)
def test_a_mistake_in_the_file_is_one_clear_line(run: Run, folder: Path, text: str, complaint: str) -> None:
    (folder / "shop.toml").write_text(text, encoding="utf-8")
    result = run("check", "--config", "shop.toml")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith(f"coatcheck: {complaint}")


def test_a_missing_file_is_named(run: Run) -> None:
    result = run("check", "--config", "nowhere.toml")
    fix = "it cannot be read (No such file or directory); name a TOML file"
    assert (result.code, result.err) == (2, f"coatcheck: config='nowhere.toml' is not possible: {fix}\n")


def test_an_application_counts_for_more_than_a_file_in_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file may be the one that the application itself reads."""
    monkeypatch.setenv("COATCHECK_CONFIG", "shop.toml")
    monkeypatch.setenv("COATCHECK_APP", "nowhere:app")
    assert "app='nowhere:app' cannot be imported" in run("check").err


def test_a_store_for_asyncio_is_asked_by_sessions_for_asyncio(folder: Path) -> None:
    """Those for threads have threads, which cannot share an event loop."""
    source = "from coatcheck import AsyncSessions\nfrom coatcheck.testing import AsyncMemoryStore\n"
    (folder / "shop_in_memory.py").write_text(
        f"{source}sessions = AsyncSessions(AsyncMemoryStore())\n", encoding="utf-8"
    )
    named = arguments.parser().parse_args(["sessions", "list", "--app", "shop_in_memory:sessions"])
    with opened(named) as sessions:
        assert not isinstance(sessions, Sessions)
        assert list(sessions.list_active()) == []

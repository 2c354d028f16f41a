"""Store URLs: what each scheme leads to, and what is refused before anything is connected."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck import ConfigurationError, Settings, UsersTable
from coatcheck.configuration.store_options import OPTIONS
from coatcheck.core.refusals import redacted_url
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.stores.urls import KINDS, POSTGRESQL, VALKEY, async_store_from_url, kind_of, options_of, store_from_url

PASSWORD = "hunter2"


@pytest.mark.parametrize("scheme", [*POSTGRESQL.schemes, *VALKEY.schemes])
def test_each_scheme_leads_to_its_store(scheme: str) -> None:
    """Nothing is connected to find out."""
    place = "db/mymaster" if scheme.endswith("+sentinel") else "db" if scheme in VALKEY.schemes else "db/app"
    url = f"{scheme}://user:{PASSWORD}@{place}"
    name = kind_of(url).store
    assert type(store_from_url(url)).__name__ == name
    assert type(async_store_from_url(url)).__name__ == f"Async{name}"


def test_sqlite_gets_its_options() -> None:
    store = store_from_url("sqlite:///a.db", migrate=False, busy_timeout=1.0)
    assert isinstance(store, SQLiteStore)
    assert isinstance(async_store_from_url("sqlite:///a.db"), AsyncSQLiteStore)
    assert store._migrate_on_open is False


@pytest.mark.parametrize(
    ("url", "options", "complaint"),
    [
        ("oracle://ada:hunter2@db/app", {}, r"^store='oracle://\*\*\*@db/app' is not possible: use a URL such as"),
        ("postgresql+asyncpg://ada:hunter2@db/app", {}, r"coatcheck uses psycopg: use 'postgresql://"),
        ("ada:hunter2@db", {}, r"^store='\*\*\*' is not possible: use a URL such as 'sqlite:///app\.db'"),
        ("postgresql://ada:hunter2@db/app?pool_size=3", {}, r"pool_size='…' .*: it is an option: give pool_size="),
        ("postgresql://ada:hunter2@db/app?sslmod=require", {}, r"libpq has no such parameter; use sslmode$"),
        ("postgresql://ada:hun?hunter2@db/app", {}, r"^store='postgresql://\*\*\*' .*write '\?' .* as %3F"),
        ("postgresql://ada:x?hunter2=@db/app", {}, r"^store='postgresql://\*\*\*'"),
        ("sqlite:///a.db", {"pool_size": 3}, r"^store pool_size=3 is not possible: a sqlite store has no such option"),
        ("sqlite:///a.db", {"busy_timout": 3}, r"no such option; use busy_timeout$"),
        ("sqlite:///a.db", {"replica_url": "postgresql://a:hunter2@b"}, r"^store replica_url='…' is not possible"),
        ("valkey://:hunter2@db", {"schema": "x"}, r"a valkey store has no such option"),
        ("valkey://:hunter2@db", {"users": UsersTable()}, r"^users='users' .*: a valkey store has no tables"),
    ],
    ids=str,
)
@pytest.mark.parametrize("make", [store_from_url, async_store_from_url])
def test_what_is_not_possible_is_refused_with_the_fix(
    make: Any, url: str, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as raised:
        make(url, **options)
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("query", ["sslmode=require", "target_session_attrs=primary&application_name=x", ""])
def test_libpqs_own_parameters_are_libpqs(query: str) -> None:
    """Several hosts too."""
    store_from_url(f"postgresql://ada@h1:5432,h2:5433/app?{query}")


def test_the_options_that_are_written_down_are_those_of_the_classes() -> None:
    """To look at a class takes its driver, so settings have a list of their own."""
    for kind in KINDS:
        for prefix in ("", "Async"):
            assert set(options_of(kind, prefix)) == OPTIONS[kind.name], kind.name


@pytest.mark.parametrize(
    ("driver", "url", "extra"),
    [("psycopg", "postgresql://db/app", "postgresql"), ("redis", "valkey://db", "valkey")],
)
def test_a_missing_driver_is_named_with_its_extra(driver: str, url: str, extra: str) -> None:
    """And the other stores work without it."""
    code = f"""
import sys
sys.modules[{driver!r}] = None
from coatcheck import ConfigurationError, Sessions
Sessions("sqlite:///app.db")
try:
    Sessions({url!r})
except ConfigurationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"coatcheck[{extra}]" in done.stdout
    assert "pip install" in done.stdout


def test_a_driver_is_imported_only_for_its_scheme() -> None:
    code = """
import sys
from coatcheck import Settings
Settings(store="postgresql://db/app")
Settings(store="valkey://db")
Settings(store="sqlite:///a.db").sessions()
print([name for name in ("psycopg", "redis", "sqlalchemy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@given(
    st.sampled_from(["postgresql", "valkey", "oracle", "valkey+sentinel", "://", "x y", ""]),
    st.text(min_size=1),
    st.sampled_from(["", "/app", "/0?x=1", "?a=b@c", "#x", "?password=hunter2", "?password=hunter2&x=@"]),
)
def test_T9_a_password_is_never_shown(scheme: str, password: str, rest: str) -> None:
    """Whatever is in it unescaped, and wherever else in the URL it stands."""
    url = f"{scheme}://ada:hunter2{password}hunter2@db{rest}"
    for whole in (url, url.replace("@", ""), url.replace("//", "")):
        assert PASSWORD not in redacted_url(whole)
        try:
            made = Settings(store=whole)
        except ConfigurationError as error:
            assert PASSWORD not in str(error)  # noqa: PT017 - both outcomes are good
        else:
            assert PASSWORD not in repr(made) + str(made.effective())

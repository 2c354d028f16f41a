"""The settings of the application's own values, and the caches that are made of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncCache, Cache, ConfigurationError, Settings, ValueSettings
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.testing import ManualClock

if TYPE_CHECKING:
    from pathlib import Path

STORE = {"COATCHECK_STORE": "sqlite:///app.db"}
KEY = "jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"
HOUR = timedelta(hours=1)
SHARED = {"url": "valkey://127.0.0.1:9", "enabled": True}  # nobody answers there


def test_a_value_cache_shares_what_the_sessions_have() -> None:
    """One store, one reader of its log, one shared cache; only its own settings are its own."""
    found = Settings.load(environ=STORE | {"COATCHECK_VALUES_MAX_ENTRIES": "7"}, keys=[KEY], shared_cache=SHARED)
    sessions = found.sessions()
    cache = found.value_cache(sessions)
    assert isinstance(cache, Cache)
    assert cache.tiers is sessions.tiers
    assert cache._values.settings == found.values == ValueSettings(max_entries=7)
    other = found.async_sessions()
    beside = found.async_value_cache(other)
    assert isinstance(beside, AsyncCache)
    assert beside.tiers is other.tiers
    assert beside._values.settings == found.values


@pytest.mark.parametrize("side", ["value_cache", "async_value_cache"])
def test_a_value_cache_alone_has_tiers_of_its_own_as_configured(side: str) -> None:
    clock = ManualClock()
    environ = STORE | {"COATCHECK_STORE_MIGRATE": "no", "COATCHECK_CACHE_LEASE": "1s", "COATCHECK_VALUES_TTL": "1h"}
    found = Settings.load(
        environ=environ, keys=[KEY], deployment="shop", shared_cache=SHARED, users={"table": "people"}
    )
    cache = getattr(found, side)(clock=clock)
    store, tiers = cache.tiers.store, cache.tiers
    assert isinstance(store, SQLiteStore if side == "value_cache" else AsyncSQLiteStore)
    assert (store.path, store.users, store._migrate_on_open) == ("app.db", found.users, False)
    assert store._clock is tiers.clock is clock
    assert (tiers.log.lease_ns, tiers.log.stale_ns) == (10**9, 0)
    assert (tiers.shared is not None, tiers.shared_settings) == (True, found.shared_cache_settings)
    assert (tiers.deployment, len(tiers.secrets("values"))) == ("shop", 1)
    assert cache._values.settings == ValueSettings(ttl=HOUR)


def test_without_a_shared_cache_there_is_none(folder: Path) -> None:
    """And a value is kept all the same, in a file that is made where the settings say so."""
    with Settings.load(environ=STORE).value_cache() as cache:
        assert cache.tiers.shared is None
        assert cache.get_or_load("answer", lambda: 42, ttl=HOUR) == 42
        assert cache.get("answer") == 42
    assert (folder / "app.db").exists()


@pytest.mark.anyio
async def test_the_same_with_asyncio() -> None:
    async def answer() -> int:
        return 42

    found = Settings.load(environ=STORE)
    async with found.async_sessions() as sessions, found.async_value_cache(sessions) as cache:
        assert await cache.get_or_load("answer", answer, ttl=HOUR) == 42
    async with found.async_value_cache() as alone:
        assert await alone.get("answer") is None


@pytest.mark.parametrize("side", ["", "async_"])
@pytest.mark.parametrize("more", [{"keys": [KEY]}, {"clock": ManualClock()}], ids=["keys", "clock"])
def test_what_the_sessions_have_cannot_be_said_again(side: str, more: dict[str, Any]) -> None:
    found = Settings.load(environ=STORE)
    sessions = getattr(found, f"{side}sessions")()
    with pytest.raises(ConfigurationError, match="beside sessions is not possible: the cache uses theirs"):
        getattr(found, f"{side}value_cache")(sessions, **more)


def test_an_object_in_code_says_all_of_the_group() -> None:
    environ = STORE | {"COATCHECK_VALUES_TTL": "1h", "COATCHECK_VALUES_JITTER": "0"}
    assert Settings.load(environ=environ, values=ValueSettings(refresh=0)).values == ValueSettings(refresh=0)
    assert Settings.load(environ=environ, values={"refresh": 0}).values == ValueSettings(ttl=HOUR, jitter=0, refresh=0)
    assert Settings.load(environ=environ, values=None).values == ValueSettings(ttl=HOUR, jitter=0)
    assert Settings.load(environ=environ).effective()["values.ttl"] == HOUR


@pytest.mark.parametrize(("written", "meant"), [(0, 0), (0.5, 0.5), ("0.25", 0.25), ("1e-2", 0.01), (" .1 ", 0.1)])
def test_parts_are_written_as_numbers(written: object, meant: float) -> None:
    assert Settings.load(environ=STORE, values={"jitter": written}).values.jitter == meant


@pytest.mark.parametrize(
    "written", ["10 %", "inf", "-inf", float("nan"), pytest.param(10**400, id="too large"), True, [0.1], "1,5"]
)
def test_what_is_no_number_is_refused(written: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^values\.jitter=.* is not possible: write a number, such as 0\.1$"):
        Settings.load(environ=STORE, values={"jitter": written})

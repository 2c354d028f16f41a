"""What can never work fails at the start, and says what to do; what is away may come back."""

from __future__ import annotations

import logging
import subprocess
import sys
import traceback
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.caches.urls import async_cache_from_url, cache_from_url
from coatcheck.caches.valkey import AsyncValkeyCache, ValkeyCache
from coatcheck.core.local_cache import key_of
from coatcheck.errors import ConfigurationError, Unavailable
from tests.caches.copies import APPLICATION_KEY, KEY, MINUTE, SECRET, a_copy, async_tier, place, places, tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.valkey import Valkey

COPY = a_copy()
PATIENT = timedelta(seconds=1)
PASSWORD = "hunter2-s3cret"


@pytest.fixture
def guarded(server: Valkey) -> Valkey:
    """A server that lets in a user who may do what a cache does, and one who may only read."""
    with server.client() as client:
        client.execute_command(
            "ACL", "SETUSER", "shop", "on", f">{PASSWORD}", "~coatcheck:cache:*", "+get", "+set", "+del", "+ping"
        )
        client.execute_command("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~coatcheck:*", "+get", "+ping")
        client.execute_command("ACL", "SETUSER", "default", "off")
    return server


def _url(server: Valkey, user: str = "", password: str = "", database: int = 0) -> str:
    credentials = f"{user}:{password}@" if user or password else ""
    return f"valkey://{credentials}127.0.0.1:{server.port}/{database}"


async def _open_both(url: str, **settings: Any) -> list[Exception | None]:
    """Open the tiers of both sides, and return what they raise."""
    raised: list[Exception | None] = []
    waiting, blocking = (
        AsyncValkeyCache(url, timeout=PATIENT, **settings),
        ValkeyCache(url, timeout=PATIENT, **settings),
    )
    try:
        raised.append(None)
        await async_tier(waiting).open()
    except ConfigurationError as error:
        raised[-1] = error
    finally:
        await waiting.aclose()
    try:
        raised.append(None)
        tier(blocking).open()
    except ConfigurationError as error:
        raised[-1] = error
    finally:
        blocking.close()
    return raised


@pytest.mark.anyio
async def test_a_user_who_may_get_set_delete_and_ping_is_enough(guarded: Valkey) -> None:
    assert await _open_both(_url(guarded, "shop", PASSWORD)) == [None, None]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("user", "password", "settings"),
    [
        ("shop", PASSWORD + "!", {}),
        ("nobody", PASSWORD, {}),
        ("", "", {}),
        ("reader", PASSWORD, {}),
        ("shop", PASSWORD, {"prefix": "elsewhere:"}),
    ],
    ids=["password", "user", "none", "right", "prefix"],
)
async def test_a_user_or_password_that_the_server_refuses_fails_at_the_start(
    guarded: Valkey, user: str, password: str, settings: dict[str, str]
) -> None:
    for error in await _open_both(_url(guarded, user, password), **settings):
        assert isinstance(error, ConfigurationError)
        assert "the shared cache refuses us" in str(error)
        assert "its URL needs a user who may SET, GET, DEL, PING" in str(error)
        assert PASSWORD not in "".join(traceback.format_exception(error))


@pytest.mark.anyio
async def test_a_database_that_the_server_does_not_have_fails_at_the_start(server: Valkey) -> None:
    for error in await _open_both(_url(server, database=99)):
        assert isinstance(error, ConfigurationError)
        assert "no such database" in str(error)
        assert "number at the end of its URL" in str(error)


@pytest.mark.parametrize("make", [async_cache_from_url, cache_from_url])
@pytest.mark.parametrize(
    ("url", "part"),
    [
        (f"http://shop:{PASSWORD}@cache:6379", "scheme 'http'"),
        (f"shop:{PASSWORD}@cache:6379", "without a scheme"),
        (f"valkey://shop:{PASSWORD}@cache:port", "port"),
        (f"valkey://shop:{PASSWORD}@cache/first", "database"),
        (f"valkey+ring://shop:{PASSWORD}@cache", "scheme"),
    ],
)
def test_T9_a_wrong_url_is_refused_when_it_is_read_and_not_shown(make: Any, url: str, part: str) -> None:
    with pytest.raises(ConfigurationError, match=part) as refused:
        make(url, timeout=PATIENT)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("scheme", ["valkey", "redis", "valkeys", "rediss", "valkey+sentinel", "valkey+cluster"])
def test_every_kind_of_url_makes_a_cache(scheme: str) -> None:
    path = "/coats/0" if "sentinel" in scheme else ""
    assert isinstance(async_cache_from_url(f"{scheme}://cache{path}", timeout=PATIENT), AsyncValkeyCache)
    assert isinstance(cache_from_url(f"{scheme}://cache{path}", timeout=PATIENT), ValkeyCache)


def test_without_the_redis_package_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "from datetime import timedelta\n"
        "from coatcheck.caches.urls import cache_from_url\n"
        "try: cache_from_url('valkey://cache', timeout=timedelta(seconds=1))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("ConfigurationError")
    assert 'pip install "coatcheck[valkey]"' in said


@pytest.mark.anyio
async def test_a_replica_is_away_not_wrong(server: Valkey) -> None:
    """Whoever fails over makes a master of it again: nothing has to be restarted for that."""
    with server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
    cache = ValkeyCache(server.url(), timeout=PATIENT)
    with pytest.raises(Unavailable):
        cache.open()
    cache.close()
    assert await _open_both(server.url()) == [None, None]


@pytest.mark.anyio
async def test_somebody_elses_value_under_our_name_is_a_miss(server: Valkey) -> None:
    cache = ValkeyCache(server.url(), timeout=PATIENT)
    made = tier(cache, timeout=PATIENT)
    made.put(place(KEY), COPY, MINUTE)
    with server.client() as client:
        (name,) = client.keys("*")
        client.delete(name)
        client.rpush(name, "a", "list")
    assert made.get(places(KEY)) is None
    assert made.failures == 0
    made.put(place(KEY), COPY, MINUTE)
    assert made.get(places(KEY)) == COPY
    cache.close()


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


@pytest.mark.anyio
async def test_T9_no_key_token_or_password_is_logged_or_shown(
    guarded: Valkey, everything_logged: pytest.LogCaptureFixture
) -> None:
    url = _url(guarded, "shop", PASSWORD)
    waiting, blocking = AsyncValkeyCache(url, timeout=PATIENT), ValkeyCache(url, timeout=PATIENT)
    tiers = async_tier(waiting, timeout=PATIENT), tier(blocking, timeout=PATIENT)
    await tiers[0].open()
    tiers[1].open()
    tiers[1].put(place(KEY), COPY, MINUTE)
    assert await tiers[0].get(places(KEY)) == COPY
    shown = [repr(thing) for thing in (waiting, blocking, *tiers, waiting._clients, blocking._clients)]
    guarded.kill()
    for _ in range(4):
        assert await tiers[0].get(places(KEY)) is None
        assert tiers[1].get(places(KEY)) is None
    with pytest.raises(Unavailable) as raised:
        blocking.ping()
    await tiers[0].aclose()
    tiers[1].close()
    logged = everything_logged.text + repr([record.__dict__ for record in everything_logged.records])
    assert logged.count("coatcheck.shared_cache_unavailable") > 1
    text = "\n".join([*shown, logged, *traceback.format_exception(raised.value)])
    for secret in (PASSWORD, APPLICATION_KEY.hex(), SECRET[0].hex(), repr(SECRET[0]), repr(KEY), KEY.hex()):
        assert secret not in text


def test_T5_the_server_learns_neither_the_key_nor_the_token(server: Valkey) -> None:
    """Who reads all of it cannot present anything, nor tell which session belongs to a cookie."""
    cache = ValkeyCache(server.url(), timeout=PATIENT)
    token = b"what somebody presented"
    tier(cache).put(place(key_of(token)), COPY, MINUTE)
    with server.client(decode_responses=False) as client:
        names = client.keys("*")
        everything = b"".join([*names, *map(client.get, names)])
    cache.close()
    assert len(names) == 1
    assert names[0].startswith(b"coatcheck:cache:")
    assert COPY in everything
    for secret in (token, key_of(token), sha256(token).digest(), SECRET[0], APPLICATION_KEY):
        assert secret not in everything

"""The decorator: keys of calls, types from annotations, and what a decorated function still is."""

from __future__ import annotations

import enum
import inspect
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from coatcheck import ConfigurationError, DataError
from coatcheck.core.call_keys import CallKeys
from coatcheck.testing import AsyncMemoryStore, MemoryStore
from tests.cache.sides import ASYNCIO, TTL, Face, answered

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.cookies import SimpleCookie

    from tests.cache.sides import Bench


class Opaque:
    """Nobody can say what it holds."""


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


class Named(str, enum.Enum):  # noqa: UP042 - unlike a StrEnum it is not written as what it is
    RED = "1"


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2


class Kind(enum.IntEnum):
    RED = 1


@dataclass(frozen=True)
class Item:
    number: int
    tags: tuple[str, ...] = ()


def on(bench: Bench, face: Face, function: Callable[..., Any], **options: Any) -> Any:
    """Decorate a function for the bench's kind, which calls it; it keeps its name and signature."""

    async def later(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    later.__name__, later.__qualname__ = function.__name__, function.__qualname__
    later.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    later.__annotations__ = function.__annotations__
    return face.thing.cached(ttl=TTL, **options)(later if bench.kind == ASYNCIO else function)


@pytest.mark.anyio
async def test_a_call_is_made_once_for_the_same_arguments(bench: Bench) -> None:
    """However they are passed; and again after it was invalidated, for these arguments only."""
    calls: list[tuple[int, str]] = []

    def item(number: int, language: str = "en") -> Item:
        calls.append((number, language))
        return Item(number, (language,))

    worker = await bench.worker()
    cached = on(bench, worker.namespace("items"), item)
    for same in (cached(1), cached(1, "en"), cached(number=1), cached(language="en", number=1)):
        assert await answered(same) == Item(1, ("en",))
    assert calls == [(1, "en")]
    assert await answered(cached(1, "de")) == Item(1, ("de",))
    assert await answered(cached(2)) == Item(2, ("en",))
    await answered(cached.invalidate(language="en", number=1))
    for number, language in ((1, "en"), (1, "de"), (2, "en")):
        assert await answered(cached(number, language)) == Item(number, (language,))
    assert calls == [(1, "en"), (1, "de"), (2, "en"), (1, "en")]


@pytest.mark.anyio
async def test_the_key_is_the_one_of_its_namespace(bench: Bench) -> None:
    """It can be put, and invalidated, by hand."""

    def item(number: int) -> Item:
        raise AssertionError(number)

    worker = await bench.worker()
    space = worker.namespace("items")
    cached = on(bench, space, item)
    await space.put(cached.key(7), Item(7), ttl=TTL, type=Item)
    assert await answered(cached(7)) == Item(7)
    assert await worker.get(cached.key(7)) is None
    await space.invalidate(cached.key(7))
    with pytest.raises(AssertionError, match="7"):
        await answered(cached(7))


@pytest.mark.anyio
async def test_what_is_cached_is_of_the_type_that_the_function_returns(bench: Bench) -> None:
    def item(number: int) -> Item:
        return Item(number) if number else "no item"  # type: ignore[return-value]

    worker = await bench.worker()
    cached = on(bench, worker, item)
    assert [await answered(cached(1)) for _ in range(3)] == [Item(1)] * 3
    assert await answered(cached(1)) is await answered(cached(1))
    with pytest.raises(DataError, match="Item"):
        await answered(cached(0))

    def anything(number: int) -> object:
        return {"number": number}

    assert await answered(on(bench, worker, anything, type=None)(1)) == {"number": 1}
    assert await answered(on(bench, worker, anything, type=dict[str, int])(2)) == {"number": 2}


@pytest.mark.anyio
async def test_a_key_function_gets_the_arguments_as_they_were_passed(bench: Bench) -> None:
    def item(number: int, trace: object = None) -> int:
        return number

    worker = await bench.worker()
    cached = on(bench, worker, item, key=lambda number, **_: f"item:{number}")
    assert await answered(cached(5, trace=object())) == 5
    assert await worker.get("item:5") == 5
    assert cached.key(number=5, trace=object()) == "item:5"
    await answered(cached.invalidate(5))
    assert await worker.get("item:5") is None
    bad = on(bench, worker, item, key=lambda number, **_: number)
    with pytest.raises(DataError, match="a key of type int"):
        await answered(bad(5))


@pytest.mark.anyio
async def test_a_method_with_a_key_function_is_a_method(bench: Bench) -> None:
    """On each object the call is that object's: its key says which."""
    worker = await bench.worker()

    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name
            self.calls = 0

        def price(self, item: int) -> str:
            self.calls += 1
            return f"{self.name} {item}"

        cached = on(bench, worker, price, key=lambda self, item: f"{self.name}:{item}")

    one, two = Shop("one"), Shop("two")
    for _ in range(2):
        assert await answered(one.cached(1)) == "one 1"
        assert await answered(two.cached(item=1)) == "two 1"
    assert (one.calls, two.calls, one.cached.key(1)) == (1, 1, "one:1")
    await answered(one.cached.invalidate(1))
    assert await answered(one.cached(1)) == "one 1"
    assert await answered(two.cached(1)) == "two 1"
    assert (one.calls, two.calls) == (2, 1)
    assert await answered(Shop.cached(two, 1)) == "two 1"


@pytest.mark.anyio
async def test_a_refresh_calls_with_the_arguments(bench: Bench) -> None:
    calls: list[int] = []

    def item(number: int) -> int:
        calls.append(number)
        return number

    worker = await bench.worker()
    cached = on(bench, worker, item)
    assert [await answered(cached(number)) for number in (1, 2)] == [1, 2]
    bench.clock.advance(TTL * 0.895)
    assert await answered(cached(2)) == 2
    await worker.settle()
    assert calls == [1, 2, 2]


# --- wiring; one side says it for both


@pytest.fixture(params=["asyncio", "threads"])
def cache(request: pytest.FixtureRequest) -> Any:
    from coatcheck import AsyncCache, Cache

    return AsyncCache(AsyncMemoryStore()) if request.param == "asyncio" else Cache(MemoryStore())


def test_it_looks_like_the_function(cache: Any) -> None:
    @cache.cached(ttl=TTL)  # type: ignore[untyped-decorator]
    async def item(number: int, *, language: str = "en") -> Item:
        """Return an item."""
        return Item(number)

    assert (item.__name__, item.__doc__, item.__module__) == ("item", "Return an item.", __name__)
    assert item.__qualname__.endswith(".item")
    assert inspect.iscoroutinefunction(item.__wrapped__)
    assert list(inspect.signature(item).parameters) == ["number", "language"]


def test_what_a_function_takes_may_be_known_to_type_checkers_only(cache: Any) -> None:
    @cache.cached(ttl=TTL)  # type: ignore[untyped-decorator]
    def item(cookies: SimpleCookie) -> int:
        return len(cookies)

    assert item.__wrapped__


def _silent(number: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
    return number


def _nowhere(number: int) -> Nowhere:  # type: ignore[name-defined]  # noqa: F821
    return number


def _opaque(number: int) -> Opaque:
    return Opaque()


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (_silent, "say what it returns, or give type="),
        (_nowhere, r"name 'Nowhere' is not defined\); give type="),
        (_opaque, "type=.*Opaque.* is not possible"),
    ],
)
def test_what_says_no_type_is_refused_where_it_stands(cache: Any, function: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        cache.cached(ttl=TTL)(function)
    assert cache.cached(ttl=TTL, type=None)(function)


def test_a_time_that_is_none_is_refused_where_it_stands(cache: Any) -> None:
    for times in ({"ttl": timedelta(0)}, {"ttl": 300}, {"ttl": TTL, "stale_for": timedelta(days=8)}):
        with pytest.raises(DataError, match="timedelta"):
            cache.cached(**times, type=None)(_opaque)


def test_a_method_without_a_key_function_is_refused(cache: Any) -> None:
    """What it belongs to could be anything, and would be missing in the key."""

    class Shop:
        def price(self, item: int) -> int:
            return item

        @classmethod
        def tax(cls, item: int) -> int:
            return item

    for method in (Shop.price, Shop.__dict__["tax"].__func__):
        with pytest.raises(ConfigurationError, match=r"on the method .*Shop\.(price|tax) is not possible without key="):
            cache.cached(ttl=TTL)(method)
        assert cache.cached(ttl=TTL, key=lambda _, item: f"{item}")(method)


def test_C8_a_lambda_without_a_key_function_is_refused(cache: Any) -> None:
    """All of a module have one name, and would share one key."""
    with pytest.raises(ConfigurationError, match=r"on a lambda of .* is not possible without key="):
        cache.cached(ttl=TTL, type=int)(lambda: 1)
    assert cache.cached(ttl=TTL, type=int, key=lambda: "one")(lambda: 1)


# --- keys


def _taking(*arguments: Any) -> None: ...


def key(*arguments: Any) -> str:
    return CallKeys(_taking, None).key(*arguments)


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timezone(timedelta(hours=1))
MIDNIGHT = datetime(2026, 1, 1)  # noqa: DTZ001 - without a zone
ZONES = (HOUR, ZoneInfo("Europe/Berlin"), ZoneInfo("Africa/Lagos"))
DIFFERENT: list[Any] = [
    *(1, True, 1.0, "1", None, "None", "null", "true", 0, False, 0.0, -0.0, "", 10**30, 1e30),
    *(Decimal(1), Decimal("1.0"), float("inf"), float("-inf"), "Infinity", float("nan"), "NaN"),
    *("\U0001f600", "\ud83d\ude00", "\\ud83d\\ude00", "\ud83d", "\ude00", "\x00", "\\u0000"),
    *("é", "e\u0301", "k", "K", "\u212a"),
    *([1], (1,), [[1]], [1, 1], [], (), ["1"], "[1]", ["a", "b"], ["a,b"], ['a","b'], [None]),
    *(UUID(int=1), str(UUID(int=1)), date(2026, 1, 1), "2026-01-01", MIDNIGHT, MIDNIGHT.replace(fold=1)),
    *(NOON, *(NOON.astimezone(zone) for zone in ZONES)),
    *(time(1), time(1, tzinfo=UTC), time(1, fold=1), timedelta(1), timedelta(0, 1), timedelta(0, 0, 1)),
    *(Colour.RED, Colour.GREEN, Named.RED, Kind.RED, "RED"),
    *(Rights.READ, Rights.WRITE, Rights.READ | Rights.WRITE, Rights(0), Rights(4), Rights(8)),
]


def test_C8_different_arguments_have_different_keys() -> None:
    keys = {key(argument): argument for argument in DIFFERENT}
    assert len(keys) == len(DIFFERENT)
    assert key(1, 2) != key([1, 2]) != key(12)
    assert key("a", "b") != key('a","b')


def test_equal_arguments_have_the_same_key() -> None:
    def copied(argument: Any) -> Any:
        return [*argument] if type(argument) is list else argument

    assert [key(copied(argument)) for argument in DIFFERENT] == [key(argument) for argument in DIFFERENT]
    assert key("x" * 3) == key("xxx")
    assert key(Decimal("1.50")) == key(Decimal("1.50"))


def test_functions_of_different_names_share_no_key() -> None:
    def one(number: int) -> None: ...
    def two(number: int) -> None: ...

    assert CallKeys(one, None).key(1) != CallKeys(two, None).key(1)


def test_positions_keywords_and_defaults_make_the_same_key() -> None:
    def function(a: int, /, b: int, *more: int, c: int = 3, d: str = "d") -> None: ...

    keys = CallKeys(function, None)
    assert keys.key(1, 2) == keys.key(1, b=2) == keys.key(1, 2, c=3) == keys.key(1, b=2, d="d", c=3)
    assert len({keys.key(1, 2), keys.key(1, 2, 3), keys.key(1, 2, c=4), keys.key(2, 1), keys.key(1, 2, 3, c=4)}) == 5
    for wrong in ((), (1,)):
        with pytest.raises(TypeError, match="missing a required argument"):
            keys.key(*wrong)


@pytest.mark.parametrize(
    "secret", [object(), {"token": "hunter2"}, {"hunter2"}, b"hunter2", Item(1, ("hunter2",)), len]
)
def test_T9_an_argument_that_makes_no_key_is_named_and_not_shown(secret: Any) -> None:
    def function(number: int, wanted: Any) -> None: ...

    keys = CallKeys(function, None)
    for argument in (secret, [secret], (1, [secret])):
        with pytest.raises(DataError) as refused:
            keys.key(1, argument)
        said = str(refused.value)
        assert "the argument 'wanted' of " in said
        assert type(secret).__qualname__ in said
        assert "key= function" in said
        assert "hunter2" not in said
        assert repr(secret) not in said

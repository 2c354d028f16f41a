"""Values as JSON: what is written comes back equal or is refused, what is read is today's type or nothing."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal  # noqa: TC003 - msgspec looks it up
from enum import Enum, IntEnum
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic.dataclasses import dataclass as pydantic_dataclass

from coatcheck.errors import ConfigurationError, DataError
from coatcheck.values import codec, codec_for

SECRET = "hunter2"


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0


@dataclass(frozen=True)
class Tree:
    name: str
    children: tuple[Tree, ...] = ()


@dataclass
class Order:
    id: UUID
    at: datetime
    takes: timedelta
    price: Decimal
    raw: bytes
    colour: Colour
    level: Level
    kind: Literal["a", 1]
    maybe: int | None
    row: list[Point]
    tags: frozenset[str]
    by_number: dict[int, Point]


class Place(NamedTuple):
    name: str
    at: Point


class Item(msgspec.Struct, frozen=True):
    name: str
    prices: tuple[Decimal, ...] = ()


class Basket(msgspec.Struct):
    items: list[Item]


class Address(pydantic.BaseModel, frozen=True):
    street: str
    number: int = pydantic.Field(gt=0)


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(validation_alias="fullName", serialization_alias="display_name")
    homes: list[Address] = []

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def size(self) -> int:
        return len(self.homes)


class Employee(Address):  # type: ignore[misc]
    boss: str


class Secretive(pydantic.BaseModel):
    password: pydantic.SecretStr


@pydantic_dataclass
class Spot:
    x: int = pydantic.Field(gt=0)


@dataclass
class Holder:
    """A dataclass that holds a model: msgspec knows the one, not the other."""

    person: Address


class Stranger:
    pass


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
POINTS = st.builds(Point, st.integers(), st.integers())
ADDRESSES = st.builds(Address, street=TEXTS, number=st.integers(min_value=1))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
)
ORDERS = st.builds(
    Order,
    st.uuids(),
    st.datetimes(timezones=st.just(UTC)),
    st.timedeltas(timedelta(days=-9000), timedelta(days=9000)),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.binary(max_size=8),
    st.sampled_from(Colour),
    st.sampled_from(Level),
    st.sampled_from(["a", 1]),
    st.none() | st.integers(),
    st.lists(POINTS, max_size=3),
    st.frozensets(TEXTS, max_size=3),
    st.dictionaries(st.integers(), POINTS, max_size=3),
)
KINDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "plain JSON": (None, JSON),
    "Any": (Any, JSON),
    "str": (str, st.text()),
    "int": (int, st.integers()),
    "float": (float, st.floats(allow_nan=False, allow_infinity=False)),
    "bool": (bool, st.booleans()),
    "None": (type(None), st.none()),
    "dataclass": (Point, POINTS),
    "recursive": (Tree, st.builds(Tree, TEXTS, st.lists(st.builds(Tree, TEXTS), max_size=3).map(tuple))),
    "everything": (Order, ORDERS),
    "NamedTuple": (Place, st.builds(Place, TEXTS, POINTS)),
    "Struct": (Item, st.builds(Item, TEXTS, st.lists(st.decimals(allow_nan=False), max_size=2).map(tuple))),
    "list of dataclasses": (list[Point], st.lists(POINTS)),
    "optional": (Point | None, st.none() | POINTS),
    "model": (Address, ADDRESSES),
    "model with aliases": (Person, st.builds(Person, fullName=TEXTS, homes=st.lists(ADDRESSES, max_size=2))),
    "model in a dataclass": (Holder, st.builds(Holder, ADDRESSES)),
    "list of models": (list[Address], st.lists(ADDRESSES, max_size=3)),
    "Pydantic's dataclass": (Spot, st.builds(Spot, st.integers(min_value=1))),
}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_C7_what_is_written_comes_back_equal(kind: str, data: st.DataObject) -> None:
    type_, values = KINDS[kind]
    value = data.draw(values)
    back = codec_for(type_).decode(codec_for(type_).encode(value))
    assert back == value
    assert type(back) is type(value)


REFUSED: list[tuple[Any, Any]] = [
    (None, (1, SECRET)),
    (None, {1: SECRET}),
    (None, [float("nan")]),
    (None, b"bytes"),
    (None, {"a": Level.LOW}),
    (None, Point(1)),
    (str, 1),
    (int, True),
    (float, "1"),
    (float, float("nan")),
    (float, 10**400),
    (Point, {"x": 1}),
    (Point, Point("1")),  # type: ignore[arg-type]
    (list[int], (1,)),
    (list[str], ["\ud800"]),
    (Item, Basket([])),
    (Address, Employee(street="a", number=1, boss=SECRET)),
    (Address, Address.model_construct(street="a", number=SECRET)),
    (Address, Address.model_construct(street="a", number=0)),
    (list[Address], [Employee(street="a", number=1, boss=SECRET)]),
    (Secretive, Secretive(password=pydantic.SecretStr(SECRET))),
]


@pytest.mark.parametrize(("type_", "value"), REFUSED, ids=range(len(REFUSED)))
def test_C7_what_would_come_back_as_something_else_is_refused(type_: Any, value: object) -> None:
    """When it is written, not at the next read; and nothing that tools print of the error shows the value."""
    with pytest.raises(DataError) as refusal:
        codec_for(type_).encode(value)
    assert SECRET not in repr(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None


def version(library: str, **fields: Any) -> Any:
    """Make a class of one name, as it was before a deployment or is after it."""
    if library == "dataclass":
        return dataclasses.make_dataclass("Version", list(fields.items()))
    if library == "Struct":
        return msgspec.defstruct("Version", list(fields.items()))
    made: dict[str, Any] = {name: (of, ...) for name, of in fields.items()}
    return pydantic.create_model("Version", **made)


@pytest.mark.parametrize("library", ["dataclass", "Struct", "model"])
@pytest.mark.parametrize(
    "later", [{"a": int, "b": str, "c": int}, {"a": int, "B": str}, {"a": str, "b": str}, {"a": list, "b": str}]
)
def test_C7_a_value_that_does_not_validate_any_more_is_refused(library: str, later: dict[str, Any]) -> None:
    then = version(library, a=int, b=str)
    data = codec_for(then).encode(then(a=1, b=SECRET))
    with pytest.raises(DataError) as refusal:
        codec_for(version(library, **later)).decode(data)
    assert SECRET not in repr(refusal.value)
    assert refusal.value.__context__ is None


HOSTILE = [b"", b"nul", b"[", b'{"a":1', b"[" * 100_000, b'{"x":' * 100_000, b"\xff", b"\x80\x04\x95", b"1 2", b"{}x"]


@pytest.mark.parametrize("type_", [None, str, Point, Tree, Item, Address, Person, list[Any], dict[str, Any]], ids=str)
@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_C7_corrupt_bytes_are_a_data_error_and_nothing_else(type_: Any, data: bytes) -> None:
    with pytest.raises(DataError):
        codec_for(type_).decode(data)


@pytest.mark.parametrize("error", [ValueError, KeyError, RecursionError, AttributeError])
def test_whatever_a_validator_raises_is_a_data_error(error: type[Exception]) -> None:
    def fail(_: object) -> object:
        raise error(SECRET)

    model = pydantic.create_model("model", a=(int, ...), __validators__={"v": pydantic.field_validator("a")(fail)})
    for refused in (
        lambda: codec_for(model).decode(b'{"a":1}'),
        lambda: codec_for(model).encode(model.model_construct(a=1)),
    ):
        with pytest.raises(DataError) as refusal:
            refused()
        assert SECRET not in repr(refusal.value)
        assert refusal.value.__context__ is None


IMPORTING: Any = pydantic.ImportString
UNKNOWN = ["Point", 5, Stranger, list[Stranger], dict[str, Stranger], IMPORTING, list[IMPORTING]]


@pytest.mark.parametrize("type_", UNKNOWN, ids=str)
def test_a_type_that_nobody_knows_is_refused_at_once(type_: Any) -> None:
    with pytest.raises(ConfigurationError, match="type="):
        codec_for(type_)


def test_an_annotation_without_a_hash_is_served_too() -> None:
    numbers = codec_for(Annotated[int, msgspec.Meta(gt=0), []])
    assert numbers.decode(numbers.encode(5)) == 5
    with pytest.raises(DataError):
        numbers.decode(b"0")


# --- whose values can be shared


class WithList(msgspec.Struct, frozen=True):
    a: list[int]


class WithExtra(pydantic.BaseModel, frozen=True, extra="allow"):
    a: int


class WithPrivate(pydantic.BaseModel, frozen=True):
    a: int
    _b: int = 0


class WithValidator(pydantic.BaseModel, frozen=True):
    a: tuple[int, ...]

    @pydantic.field_validator("a", mode="after")
    @classmethod
    def listed(cls, value: tuple[int, ...]) -> Any:
        return list(value)


@dataclass(frozen=True)
class WithAny:
    a: Any


@dataclass(frozen=True)
class WithCache:
    a: int

    @cached_property
    def b(self) -> list[int]:
        return []


@dataclass(frozen=True)
class WithHook:
    a: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "a", list(self.a))


class NotDeclared(Point):
    """A subclass that is no dataclass itself: any new attribute can be set."""


LISTED = Annotated[tuple[int, ...], pydantic.AfterValidator(list)]


FROZEN: list[Any] = [str, int, datetime, Colour, Literal["a"], int | None, tuple[int, ...], frozenset[UUID]]
FROZEN += [Point, Tree, Item, Place, Address, tuple[Point, Address]]
CHANGEABLE: list[Any] = [
    None,
    Any,
    list[int],
    dict[str, int],
    tuple,
    tuple[list[int], ...],
    int | list[int],
    Order,
    Basket,
]
CHANGEABLE += [Person, Holder, Spot, WithList, WithExtra, WithPrivate, WithAny, WithValidator, WithCache, WithHook]
CHANGEABLE += [NotDeclared, LISTED]


@pytest.mark.parametrize("type_", FROZEN, ids=str)
def test_a_value_that_nobody_can_change_may_go_to_everybody(type_: Any) -> None:
    assert codec_for(type_).shareable


@pytest.mark.parametrize("type_", CHANGEABLE, ids=str)
def test_any_other_is_made_anew_for_each(type_: Any) -> None:
    assert not codec_for(type_).shareable


# --- without the libraries


def take_away(monkeypatch: pytest.MonkeyPatch, *libraries: tuple[str, str]) -> None:
    codec._codec.cache_clear()
    for library, module in libraries:
        monkeypatch.setitem(sys.modules, library, None)
        monkeypatch.delitem(sys.modules, f"coatcheck.values.{module}", raising=False)


def test_without_msgspec_pydantic_serves_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    take_away(monkeypatch, ("msgspec", "structs"))
    points = codec_for(list[Point])
    assert points.decode(points.encode([Point(1)])) == [Point(1)]
    with pytest.raises(ConfigurationError, match=r"coatcheck\[msgspec\]"):
        codec_for(Item)
    codec._codec.cache_clear()


def test_without_either_both_are_named_and_plain_json_works(monkeypatch: pytest.MonkeyPatch) -> None:
    take_away(monkeypatch, ("pydantic", "models"), ("msgspec", "structs"))
    with pytest.raises(ConfigurationError, match=r"coatcheck\[msgspec\].*coatcheck\[pydantic\]"):
        codec_for(Point)
    for type_, value in [(None, {"a": [1]}), (str, "a"), (int, 1), (float, 1.5), (type(None), None)]:
        assert codec_for(type_).decode(codec_for(type_).encode(value)) == value
    codec._codec.cache_clear()


def test_the_import_brings_in_no_library() -> None:
    code = "import sys, coatcheck; assert not {'msgspec', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)

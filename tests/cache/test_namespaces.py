"""C8: whatever characters names, tenants and keys hold, no key of one namespace or tenant reaches another's."""

from __future__ import annotations

import enum
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from coatcheck import Cache, ConfigurationError, ValueSettings
from coatcheck.core.coherence import EVERYONE, session_subject, user_subject
from coatcheck.core.namespaces import Space, key_subject, subjects_of_key, tenant_subject
from coatcheck.core.value_copies import ValueCopies
from coatcheck.testing import ManualClock, MemoryStore
from tests.cache.sides import KEYS, TTL

if TYPE_CHECKING:
    from collections.abc import Iterable

# What could be taken for something else: lengths, signs between parts, halves of characters, nothing at all.
NASTY = st.text(alphabet=[*"0123456789:-ab", "\x00", "\ud83d", "\ude00", "\U0001f600", "K", "\u212a", "k"], max_size=6)
TEXT = NASTY | st.text(st.characters(codec=None), max_size=8)
TENANT = st.none() | TEXT.filter(bool)


class Thing(NamedTuple):
    """What a value is kept under."""

    name: str
    tenant: str | None
    key: str

    @property
    def full(self) -> str:
        return Space(self.name, self.tenant).prefix + self.key


THINGS = st.builds(Thing, TEXT, TENANT, TEXT)


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[Thing, Thing]:
    """Draw two things that have the same characters, cut at other places."""
    text = draw(NASTY | st.text(max_size=8))

    def cut() -> Thing:
        one, two = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        name, tenant, key = text[:one], text[one:two], text[two:]
        return Thing(name, tenant or None, key)

    return cut(), cut()


PAIRS = neighbours() | st.tuples(THINGS, THINGS)


def own(thing: Thing) -> str:
    return key_subject(thing.full)


@given(PAIRS)
@example((Thing("", None, "\ud83d"), Thing("", None, "\ude00")))
@example((Thing("", None, "\ud83d"), Thing("", None, "?")))
@example((Thing("", None, "\ud83d\ude00"), Thing("", None, "\U0001f600")))
def test_C8_two_things_share_no_full_key_subject_or_place(pair: tuple[Thing, Thing]) -> None:
    one, two = pair
    copies = ValueCopies(ValueSettings(), secrets=KEYS, lots=float)
    places = [copies.places("epoch", thing.full)[0] for thing in pair]
    for shares in (
        one.full == two.full,
        own(one) == own(two),
        places[0].where == places[1].where,
        places[0].name == places[1].name,
        places[0].open(places[1].seal(b"\x00" * 24 + b"\x01" + b"value")) is not None,
    ):
        assert shares == (one == two)


@given(PAIRS)
def test_C8_an_entry_is_about_what_it_names_and_nothing_else(pair: tuple[Thing, Thing]) -> None:
    """By key, by namespace of all tenants, by namespace of one, by tenant."""
    one, two = pair
    subjects = set(subjects_of_key(two.full))
    assert (own(one) in subjects) == (one == two)
    assert (Space(one.name).subject() in subjects) == (one.name == two.name)
    if one.tenant is not None:
        assert (Space(one.name, one.tenant).subject() in subjects) == (one[:2] == two[:2])
        assert (tenant_subject(one.tenant) in subjects) == (one.tenant == two.tenant)


@given(THINGS)
def test_S6_a_value_s_subjects_are_plain_short_and_no_session_s(thing: Thing) -> None:
    """Every store can keep them, whatever the key is; and they say nothing about it."""
    subjects = list(subjects_of_key(thing.full))
    assert len(subjects) == len(set(subjects)) == (2 if thing.tenant is None else 4)
    for subject in subjects:
        assert subject.isascii()
        assert len(subject) == 26
        assert subject[:2] in {"k:", "n:", "m:", "t:"}
        assert subject not in {EVERYONE, session_subject(thing.key), user_subject(thing.key)}


def _cache() -> Cache:
    clock = ManualClock()
    return Cache(MemoryStore(clock=clock), clock=clock, settings=ValueSettings(jitter=0))


def _fill(cache: Cache, things: Iterable[Thing]) -> None:
    for thing in things:
        cache.namespace(thing.name, tenant=thing.tenant).put(thing.key, list(map(repr, thing)), ttl=TTL)


def _left(cache: Cache, things: Iterable[Thing]) -> set[Thing]:
    """Return what is still cached, and check that each has its own value."""
    found = set()
    for thing in things:
        value = cache.namespace(thing.name, tenant=thing.tenant).get(thing.key)
        assert value in (None, list(map(repr, thing)))
        if value is not None:
            found.add(thing)
    return found


@given(neighbours(), st.sets(THINGS, max_size=3))
def test_C8_invalidating_one_reaches_no_other(pair: tuple[Thing, Thing], more: set[Thing]) -> None:
    things = {*pair, *more}
    one = pair[0]
    with _cache() as cache:
        _fill(cache, things)
        assert _left(cache, things) == things
        cache.namespace(one.name, tenant=one.tenant).invalidate(one.key)
        assert _left(cache, things) == things - {one}
        _fill(cache, things)
        cache.invalidate_namespace(one.name, tenant=one.tenant)
        gone = {thing for thing in things if thing.name == one.name and one.tenant in {None, thing.tenant}}
        assert _left(cache, things) == things - gone
        if one.tenant is not None:
            _fill(cache, things)
            cache.invalidate_tenant(one.tenant)
            assert _left(cache, things) == {thing for thing in things if thing.tenant != one.tenant}


@given(TEXT, TEXT)
def test_C8_the_cache_itself_is_the_namespace_without_a_name(key: str, name: str) -> None:
    assume(name)
    with _cache() as cache:
        cache.put(key, 1, ttl=TTL)
        assert cache.namespace("").get(key) == 1
        assert cache.namespace(name).get(key) is None
        cache.invalidate_namespace(name)
        assert cache.get(key) == 1
        cache.namespace("").invalidate(key)
        assert cache.get(key) is None


def test_S6_letters_that_look_alike_or_fold_into_each_other_are_different_ones() -> None:
    alike = ["k-45", "K-45", "\u212a-45", "k-4", "k45", "é", "e\u0301", "k-45 ", "k-45\x00", "1", "\u0661"]
    for one, two in combinations(alike, 2):
        assert len({Thing(one, None, two).full, Thing(two, None, one).full, Thing("", one, two).full}) == 3


# --- what is no text


class Name(str, enum.Enum):  # noqa: UP042 - unlike a StrEnum it is not written as what it is
    FLAGS = "flags"


class Shouting(str):
    """Text with ideas of its own."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()

    def __format__(self, spec: str) -> str:
        return self.upper()

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("name", [Name.FLAGS, Shouting("flags")], ids=["enumeration", "subclass"])
def test_C8_text_of_another_class_is_the_text_that_it_is(name: Any) -> None:
    """A member of an enumeration is the likely one: written as `Name.FLAGS`, it would be out of reach for "flags"."""
    with _cache() as cache:
        for space, same in (
            (cache.namespace(name), cache.namespace("flags")),
            (cache.namespace("", tenant=name), cache.namespace("", tenant="flags")),
        ):
            space.put(name, 1, ttl=TTL)
            assert same.get("flags") == 1
            same.invalidate("flags")
            assert space.get(name) is None
        cache.namespace(name).put("key", 1, ttl=TTL)
        cache.invalidate_namespace("flags")
        assert cache.namespace(name).get("key") is None
        cache.namespace("flags", tenant=name).put("key", 1, ttl=TTL)
        cache.invalidate_tenant("flags")
        assert cache.namespace("flags", tenant=name).get("key") is None


@pytest.mark.parametrize("wrong", [5, b"flags", ["flags"], 1.0])
def test_C8_names_and_tenants_that_are_no_text_are_refused(wrong: Any) -> None:
    kind = type(wrong).__name__
    with _cache() as cache:
        for call in (
            lambda: cache.namespace(wrong),
            lambda: cache.namespace("flags", tenant=wrong),
            lambda: cache.invalidate_namespace(wrong),
            lambda: cache.invalidate_namespace("flags", tenant=wrong),
            lambda: cache.invalidate_tenant(wrong),
        ):
            with pytest.raises(ConfigurationError, match=rf"^a \w+ of type {kind} is not possible: use text$"):
                call()

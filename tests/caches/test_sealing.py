"""Nobody but us can write a copy that opens, and each opens in its own place only."""

from __future__ import annotations

import hashlib
import hmac
import json
import pickle
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coatcheck.core.sealing import CONTEXT, Kind, Place, Seals
from coatcheck.core.session import SEALED as SESSIONS
from coatcheck.core.session import STAMP, is_whole
from coatcheck.core.signing import KeyRing
from tests.caches.copies import APPLICATION_KEY, EPOCH, KEY, OLD_KEY, OTHER_KEY, RING, SECRET, a_copy, place, places

if TYPE_CHECKING:
    from collections.abc import Callable

COPY = a_copy(data='{"cart": [1, 2, 3]}', ip="192.0.2.1")
HERE = place(KEY)
SEALED = HERE.seal(COPY)
KEYS = st.binary(min_size=15, max_size=15)


def _resealed(layout: bytes, copy: bytes) -> bytes:
    """Return what somebody with our key would have written in another layout."""
    return layout + HERE.seal(copy)[1:]


def test_S5_what_was_sealed_opens_in_its_place() -> None:
    assert HERE.open(SEALED) == COPY


@given(st.text(), KEYS, st.text(), KEYS)
def test_S5_a_copy_opens_in_no_other_place(epoch: str, key: bytes, other_epoch: str, other_key: bytes) -> None:
    """Swapped between two sessions, or brought from another life of the log: it is a miss, under another name."""
    epoch, other_epoch = (text.encode(errors="ignore").decode() for text in (epoch, other_epoch))
    assume((epoch, key) != (other_epoch, other_key))
    mine, other = place(key, epoch), place(other_key, other_epoch)
    assert mine.name != other.name
    assert mine.open(mine.seal(COPY)) == COPY
    assert other.open(mine.seal(COPY)) is None


def test_S5_epoch_and_key_cannot_be_cut_elsewhere() -> None:
    """What stands before the border and behind it is told apart."""
    one, other = place(b"c", "ab"), place(b"bc", "a")
    assert one.name != other.name
    assert other.open(one.seal(COPY)) is None


@pytest.mark.parametrize("name", [b"value\x02", b"session\x01", b""])
def test_S5_a_copy_of_another_kind_or_layout_is_a_miss(name: bytes) -> None:
    """What somebody cached of their own is no session, whatever it says and under whatever key."""
    (there,) = Seals(Kind(name, SESSIONS.whole), SECRET).places(EPOCH, KEY)
    assert there.name != HERE.name
    assert HERE.open(there.seal(COPY)) is None
    assert there.open(SEALED) is None


@pytest.mark.parametrize("name", [b"sessio", b"session\x02" + EPOCH.encode()])
def test_S5_kind_and_epoch_cannot_be_cut_elsewhere(name: bytes) -> None:
    epoch = (SESSIONS.name + EPOCH.encode()).removeprefix(name).decode()
    (there,) = Seals(Kind(name, SESSIONS.whole), SECRET).places(epoch, KEY)
    assert there.name != HERE.name
    assert HERE.open(there.seal(COPY)) is None


def test_a_lease_lies_beside_its_copy_and_is_none() -> None:
    """Its name is the place's own, so that nothing else can be taken for it."""
    names = {HERE.name, HERE.lease, place(OTHER_KEY).lease, place(KEY, "second log").lease}
    assert len(names) == 4
    assert HERE.open(b"") is None


@pytest.mark.parametrize(
    "ring",
    [
        KeyRing([APPLICATION_KEY], deployment="shop:admin"),
        KeyRing([APPLICATION_KEY], deployment="bazaar:session"),
        KeyRing([OLD_KEY], deployment="shop:session"),
    ],
    ids=["purpose", "deployment", "key"],
)
def test_S5_a_copy_of_another_purpose_deployment_or_key_is_a_miss(ring: KeyRing) -> None:
    (there,) = places(KEY, EPOCH, ring.derived(CONTEXT))
    assert there.name != HERE.name
    assert there.open(SEALED) is None
    assert HERE.open(there.seal(COPY)) is None


@given(st.data())
def test_S5_one_flipped_bit_anywhere_is_a_miss(data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, len(SEALED) * 8 - 1))
    altered = bytearray(SEALED)
    altered[bit // 8] ^= 1 << bit % 8
    assert HERE.open(bytes(altered)) is None


@given(st.integers(0, len(SEALED) - 1), st.binary(max_size=3))
def test_S2_S5_what_is_cut_off_or_lengthened_is_a_miss(length: int, more: bytes) -> None:
    assert HERE.open(SEALED[:length]) is None
    assert HERE.open(SEALED[:length] + more) is None or SEALED[:length] + more == SEALED
    assert not more or HERE.open(SEALED + more) is None


@given(st.binary())
def test_S2_S5_garbage_is_a_miss(garbage: bytes) -> None:
    assert HERE.open(garbage) is None
    assert HERE.open(b"\x01" + garbage) is None


class _Bomb:
    went_off = False

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return setattr, (_Bomb, "went_off", True)


@pytest.mark.parametrize(
    "payload",
    [pickle.dumps(_Bomb()), json.dumps({"user_id": "1"}).encode(), COPY, b""],
    ids=["pickle", "json", "unsealed", "empty"],
)
def test_S1_S2_other_formats_are_misses_and_nothing_runs(payload: bytes) -> None:
    assert HERE.open(payload) is None
    assert HERE.open(b"\x01" + bytes(32) + payload) is None
    assert not _Bomb.went_off


@pytest.mark.parametrize("layout", [0, 2, 255])
def test_S2_another_version_of_the_seal_is_a_miss(layout: int) -> None:
    assert HERE.open(_resealed(bytes([layout]), COPY)) is None


@pytest.mark.parametrize("version", [0, 1, 255])
def test_S2_another_version_of_the_record_is_a_miss(version: int) -> None:
    """Also with a good seal: another release wrote it, whose fields lie elsewhere."""
    other = bytearray(COPY)
    other[STAMP.size] = version
    assert HERE.open(HERE.seal(bytes(other))) is None


@given(st.integers(0, len(COPY) - 1))
def test_S2_a_copy_shorter_than_its_head_says_is_not_whole(length: int) -> None:
    assert not is_whole(COPY[:length])
    assert HERE.open(HERE.seal(COPY[:length])) is None


@given(st.binary(min_size=1))
def test_S2_a_copy_longer_than_its_head_says_is_not_whole(more: bytes) -> None:
    assert not is_whole(COPY + more)
    assert is_whole(COPY)


def test_S5_what_an_earlier_release_sealed_opens() -> None:
    """The layout, written down once more: a name and a seal for a label, a version, and where the copy belongs."""
    where = b"\0\0\0\x08session\x02" + b"\0\0\0\x09first log" + b"\0\0\0\x0f" + KEY
    context = b"\0\0\0\x0cshop:session"
    secret = hmac.digest(
        APPLICATION_KEY, b"coatcheck derived key 1coatcheck signed token 1" + context + b"shared cache 1", "sha256"
    )
    assert secret == SECRET[0]
    name = hmac.digest(secret, b"coatcheck copy name\x01" + where, "sha256")[:18]
    assert HERE.name == urlsafe_b64encode(name)
    seal = hmac.digest(secret, b"coatcheck copy seal\x01" + where + COPY, "sha256")
    assert b"\x01" + seal + COPY == SEALED


def test_S4_derived_keys_differ_by_key_deployment_and_context_and_are_not_the_keys() -> None:
    rings = [RING, KeyRing([APPLICATION_KEY], deployment="shop:admin"), KeyRing([OLD_KEY], deployment="shop:session")]
    derived = [ring.derived(context)[0] for ring in rings for context in (b"one", b"two")]
    assert len({*derived, APPLICATION_KEY, OLD_KEY}) == 8
    assert {len(key) for key in derived} == {32}


def test_S3_keys_are_derived_in_their_order() -> None:
    both = KeyRing([OLD_KEY, APPLICATION_KEY], deployment="shop:session").derived(CONTEXT)
    assert both[1:] == SECRET


def test_T9_a_place_shows_neither_key_nor_secret() -> None:
    text = repr(HERE)
    assert isinstance(HERE, Place)
    assert not any(part in text for part in (repr(KEY), SECRET[0].hex(), repr(SECRET[0]), EPOCH))


def test_S6_a_name_says_nothing_of_its_key() -> None:
    """Neither the key nor a plain hash of it: who reads the cache cannot look up whose copy is whose."""
    names = {HERE.name, place(OTHER_KEY).name}
    assert len(names) == 2
    for digest in (hashlib.sha256(KEY).digest(), hashlib.blake2s(KEY).digest(), KEY):
        assert urlsafe_b64encode(digest[:15]) not in b"".join(names)

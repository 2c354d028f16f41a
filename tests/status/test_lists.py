"""Status lists: the draft's own, and each of the ways in which one, or a token, is to be refused (rule J9)."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from coatcheck import ConfigurationError
from coatcheck.core.base64url import octets_of, text_of
from coatcheck.core.status_lists import reference_in, unpacked
from coatcheck.status_lists import (
    INVALID,
    SUSPENDED,
    VALID,
    StatusIndices,
    StatusList,
    StatusListIssuer,
    StatusListNeeded,
    StatusListReader,
    StatusReference,
    StatusRefused,
)

# Appendix C of draft-ietf-oauth-status-list-20: by bits, the list and what its statuses are; all others are 0.
VECTORS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("vectors.json").read_text())
ONE = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]  # section 4.1, and the hexadecimal below it
TWO = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]

NO_INDEX: list[object] = [-1, 1.0, "1", True, None, {}]
URI = "https://example.com/statuslists/1"
NOW = datetime(2026, 11, 30, tzinfo=UTC)
KEY = "jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"


def pem(private: Any) -> bytes:
    octets: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return octets


EC = generate_private_key(SECP256R1())
ISSUER = StatusListIssuer(URI, pem(EC))


def listed(statuses: list[int], bits: int) -> StatusList:
    made = StatusList(len(statuses), bits=bits)
    for index, status in enumerate(statuses):
        made[index] = status
    return made


@pytest.mark.parametrize(
    ("statuses", "bits", "octets"),
    [(ONE, 1, "78dadbb918000217015d"), (TWO, 2, "78da3be9f2130003df0207")],
    ids=["one bit", "two bits"],
)
def test_J9_the_examples_of_the_draft(statuses: list[int], bits: int, octets: str) -> None:
    read = unpacked({"bits": bits, "lst": text_of(bytes.fromhex(octets))})
    assert [read[index] for index in range(len(read))] == statuses
    packed = octets_of(listed(statuses, bits).packed()["lst"])
    assert packed
    assert packed[:1] == b"\x78", "zlib's format, and not DEFLATE alone"
    assert zlib.decompress(packed) == zlib.decompress(bytes.fromhex(octets))


@pytest.mark.parametrize("bits", VECTORS)
def test_J9_the_test_vectors_of_the_draft(bits: str) -> None:
    vector = VECTORS[bits]
    read, made = unpacked({"bits": int(bits), "lst": vector["lst"]}), StatusList(2**20, bits=int(bits))
    for index, status in vector["statuses"]:
        made[index] = status
    assert len(read) == len(made) == 2**20
    assert all(read[index] == status for index, status in vector["statuses"])
    assert read._octets == made._octets, "and all others are 0"
    again = octets_of(made.packed()["lst"])
    given = octets_of(vector["lst"])
    assert again
    assert given
    assert zlib.decompress(again) == zlib.decompress(given)


@given(st.sampled_from([1, 2, 4, 8]), st.lists(st.integers(0, 255), min_size=1, max_size=50))
def test_J9_a_list_is_read_as_it_was_written(bits: int, statuses: list[int]) -> None:
    wanted = [status % (1 << bits) for status in statuses]
    read = unpacked(listed(wanted, bits).packed())
    assert [read[index] for index in range(len(wanted))] == wanted
    with pytest.raises(IndexError):
        read[len(read)]
    with pytest.raises(IndexError):
        read[-1]


def test_a_list_takes_what_fits_into_it() -> None:
    made = StatusList(9)
    assert len(made) == 16, "whole octets"
    with pytest.raises(ValueError, match="does not fit into 1 bits"):
        made[0] = SUSPENDED
    with pytest.raises(IndexError):
        made[16] = INVALID
    for bits in (0, 3, 16):
        with pytest.raises(ConfigurationError, match="status list bits"):
            StatusList(8, bits=bits)
    for size in (0, -1, 2**40):
        with pytest.raises(ConfigurationError, match="status list size"):
            StatusList(size)


def test_J9_a_list_unpacks_to_no_more_than_it_may() -> None:
    """16 kilobytes that would be 16 megabytes: not one octet too many is made of them."""
    bomb = {"bits": 1, "lst": text_of(zlib.compress(bytes(2**24), 9))}
    assert len(bomb["lst"]) < 30_000  # type: ignore[arg-type]
    assert len(unpacked(bomb)) == 2**27
    tracemalloc.start()
    try:
        with pytest.raises(StatusRefused, match="more than 1048576 octets"):
            unpacked(bomb, largest=2**20)
        assert tracemalloc.get_traced_memory()[1] < 3 * 2**20
    finally:
        tracemalloc.stop()


_GOOD = zlib.compress(b"\xb9\xa3")


@pytest.mark.parametrize(
    "claim",
    [
        None,
        [],
        {},
        {"bits": 1},
        {"bits": 3, "lst": text_of(_GOOD)},
        {"bits": True, "lst": text_of(_GOOD)},
        {"bits": "1", "lst": text_of(_GOOD)},
        {"bits": 1.0, "lst": text_of(_GOOD)},
        {"bits": 1, "lst": 7},
        {"bits": 1, "lst": ""},
        {"bits": 1, "lst": text_of(_GOOD) + "="},
        {"bits": 1, "lst": text_of(_GOOD[2:-4])},  # DEFLATE without zlib's frame
        {"bits": 1, "lst": text_of(_GOOD[:-1])},
        {"bits": 1, "lst": text_of(_GOOD[:-1] + b"\0")},
        {"bits": 1, "lst": text_of(_GOOD + b"more")},
        {"bits": 1, "lst": text_of(zlib.compress(b""))},
    ],
)
def test_J9_what_is_no_list_is_refused(claim: object) -> None:
    with pytest.raises(StatusRefused, match="no status list"):
        unpacked(claim)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"status": None},
        {"status": {"other": {}}},
        {"status": {"status_list": {"idx": 1}}},
        {"status": {"status_list": {"uri": URI}}},
        {"status": {"status_list": {"uri": 7, "idx": 1}}},
        {"status": {"status_list": {"uri": "x" * 3000, "idx": 1}}},
        *({"status": {"status_list": {"uri": URI, "idx": idx}}} for idx in NO_INDEX),
    ],
)
def test_J9_a_token_without_a_status_that_can_be_told_is_refused(claims: dict[str, Any]) -> None:
    reader = StatusListReader([URI], [ISSUER.public_key])
    with pytest.raises(StatusRefused, match="the token"):
        reader.status(claims, NOW)


# --- from the issuer to the reader


@pytest.mark.parametrize("private", [EC, Ed25519PrivateKey.generate()], ids=["ES256", "EdDSA"])
def test_J9_a_reader_hears_of_a_revocation_after_a_ttl(private: Any) -> None:
    issuer = StatusListIssuer(URI, pem(private), ttl=timedelta(minutes=1), lifetime=timedelta(minutes=5))
    statuses, indices = StatusList(1000, bits=2), StatusIndices(KEY, 1000)
    reader = StatusListReader([URI], [issuer.public_key])
    claims = {"sub": "7", "status": issuer.reference(indices[7]).claim}
    assert reference_in(claims) == StatusReference(URI, indices[7])
    with pytest.raises(StatusListNeeded) as needed:
        reader.status(claims, NOW)
    assert needed.value.uri == URI
    reader.add(URI, issuer.token(statuses, NOW), NOW)
    assert reader.status(claims, NOW) == VALID
    statuses[indices[7]] = SUSPENDED
    statuses[indices[8]] = INVALID
    later = NOW + timedelta(minutes=1)
    assert reader.status(claims, later - timedelta(seconds=1)) == VALID
    with pytest.raises(StatusListNeeded):
        reader.status(claims, later)
    assert reader.status(claims, later, overdue=True) == VALID, "the issuer is away, and the list not over"
    reader.add(URI, issuer.token(statuses, later), later)
    assert reader.status(claims, later) == SUSPENDED
    over = later + timedelta(minutes=5)
    with pytest.raises(StatusListNeeded):
        reader.status(claims, over, overdue=True)


def test_J9_a_list_that_is_over_is_refused() -> None:
    reader = StatusListReader([URI], [ISSUER.public_key])
    token = ISSUER.token(StatusList(8), NOW)
    reader.add(URI, token, NOW + timedelta(minutes=5, seconds=-1))
    with pytest.raises(StatusRefused, match="over"):
        reader.add(URI, token, NOW + timedelta(minutes=5))


def test_J9_J3_an_older_list_brings_nothing_back() -> None:
    """As from a cache on the way that is behind; once the newer one is over it counts, if it is not over itself."""
    reader, statuses = StatusListReader([URI], [ISSUER.public_key]), StatusList(8)
    long = StatusListIssuer(URI, pem(EC), ttl=timedelta(minutes=1), lifetime=timedelta(minutes=20))
    before = long.token(statuses, NOW)
    statuses[3] = INVALID
    later = NOW + timedelta(minutes=1)
    claims = {"status": StatusReference(URI, 3).claim}
    for _ in range(2):
        reader.add(URI, ISSUER.token(statuses, later), later)
        with pytest.raises(StatusRefused, match="older"):
            reader.add(URI, before, later + timedelta(minutes=2))
        assert reader.status(claims, later + timedelta(minutes=2), overdue=True) == INVALID
    reader.add(URI, before, later + timedelta(minutes=5))


def test_J9_an_index_that_the_list_does_not_have_is_refused() -> None:
    reader = StatusListReader([URI], [ISSUER.public_key])
    reader.add(URI, ISSUER.token(StatusList(16), NOW), NOW)
    assert reader.status({"status": StatusReference(URI, 15).claim}, NOW) == VALID
    for index in (16, 2**70):
        with pytest.raises(StatusRefused, match="no such index"):
            reader.status({"status": StatusReference(URI, index).claim}, NOW)


def forged(key: Any = EC, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    whole = {
        "sub": URI,
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 60,
        "ttl": 60,
        "status_list": StatusList(8).packed(),
        **claims,
    }
    headers = {"typ": "statuslist+jwt", "kid": ISSUER.public_key["kid"], **(header or {})}
    algorithm = headers.pop("alg", "ES256")
    kept = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers=headers)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sub": "https://example.com/statuslists/2"}, "another list"),
        ({"sub": None}, "another list"),
        ({"header": {"typ": "JWT"}}, "no list"),
        ({"header": {"typ": "coatcheck-identity+jwt"}}, "no list"),
        ({"header": {"kid": "other"}}, "no list"),
        ({"key": generate_private_key(SECP256R1())}, "not signed"),
        ({"key": None, "header": {"alg": "none"}}, "not signed"),
        ({"key": KEY, "header": {"alg": "HS256"}}, "not signed"),
        ({"iat": None}, "issued"),
        ({"iat": "now"}, r"no number|not signed"),
        ({"exp": int(NOW.timestamp())}, "over"),
        ({"exp": "never"}, "no number"),
        ({"ttl": 0}, "over"),
        ({"ttl": True}, "no number"),
        ({"exp": float("nan")}, "no number"),
        ({"exp": float("inf")}, "no number"),
        ({"ttl": 10**400}, "no number"),
        ({"iat": -1}, "no number"),
        ({"header": {"crit": ["exp"]}}, r"no list|not signed"),
        ({"status_list": None}, "no status list"),
    ],
)
def test_J9_a_list_that_the_issuer_has_not_made_so_is_refused(changes: dict[str, Any], message: str) -> None:
    reader = StatusListReader([URI], [ISSUER.public_key])
    reader.add(URI, forged(), NOW)
    with pytest.raises(StatusRefused, match=message):
        reader.add(URI, forged(**changes), NOW)
    for text in ("x.y.z", "\ud800.y.z", f"{text_of(b'[' * 50_000)}.e30.AA"):
        with pytest.raises(StatusRefused, match=r"not signed|no list"):
            reader.add(URI, text, NOW)


def test_J9_no_token_can_have_anything_fetched() -> None:
    reader = StatusListReader([URI], [ISSUER.public_key])
    claims = {"status": StatusReference("https://internal.example/admin", 1).claim}
    with pytest.raises(StatusRefused, match="none of its issuer's"):
        reader.status(claims, NOW)
    with pytest.raises(StatusRefused, match="another list"):
        reader.add("https://internal.example/admin", forged(sub="https://internal.example/admin"), NOW)


# --- indices


@pytest.mark.parametrize("size", [2, 3, 10, 1000, 1024, 1025])
def test_J9_each_token_has_an_index_of_its_own(size: int) -> None:
    indices = StatusIndices(KEY, size)
    assert sorted(indices[number] for number in range(size)) == list(range(size))
    for number in (-1, size):
        with pytest.raises(IndexError):
            indices[number]


def test_J9_an_index_tells_nothing_of_its_neighbours() -> None:
    """Neither in order nor at one distance; and another key gives others."""
    size = 2**20
    indices, others = StatusIndices(KEY, size), StatusIndices(KEY[::-1], size)
    first = [indices[number] for number in range(2000)]
    distances = Counter((b - a) % size for a, b in pairwise(first))
    assert max(distances.values()) <= 3
    assert sum(index < size // 2 for index in first) in range(850, 1150)
    assert sum(others[number] == index for number, index in enumerate(first)) <= 3
    assert "1048576" in repr(indices)
    assert KEY not in repr(indices)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StatusIndices("short", 8), "keys"),
        (lambda: StatusIndices(KEY, 1), "status list size"),
        (lambda: StatusListIssuer("http://example.com/1", pem(EC)), "status list uri"),
        (lambda: StatusListIssuer(URI, b"not a key"), "key is no P-256"),
        (lambda: StatusListIssuer(URI, pem(EC), ttl=timedelta(0)), "status list ttl"),
        (lambda: StatusListIssuer(URI, pem(EC), ttl=timedelta(hours=1)), "status list ttl"),
        (lambda: StatusListReader([URI], [{"kty": "oct", "k": "AQAB", "kid": "1"}]), "status list keys"),
        (lambda: StatusListReader([URI], [{**ISSUER.public_key, "kid": ""}]), "status list keys"),
        (lambda: StatusListReader([URI], [{"kid": "1"}]), "status list keys"),
    ],
    ids=range(9),
)
def test_a_wrong_setting_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_T9_a_signing_key_does_not_show_itself() -> None:
    assert "PRIVATE" not in repr(ISSUER._key) + repr(vars(ISSUER))

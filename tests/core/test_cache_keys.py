"""The keys of the local cache."""

from __future__ import annotations

import hashlib
from typing import NoReturn

import pytest

from coatcheck.core import local_cache
from coatcheck.core.local_cache import KEY_SIZE, key_of

TOKEN = b"A" * 43 + b".v1.signature"


def test_a_key_is_the_beginning_of_a_hash_of_the_whole_value() -> None:
    """Every octet counts, and none of them can be read from the key."""
    altered = [TOKEN[:at] + bytes([TOKEN[at] ^ 1]) + TOKEN[at + 1 :] for at in range(len(TOKEN))]
    keys = {key_of(value) for value in [TOKEN, *altered, TOKEN + b"\0", TOKEN[:-1], b""]}
    assert len(keys) == len(TOKEN) + 4
    assert {len(key) for key in keys} == {KEY_SIZE}


@pytest.mark.parametrize("refusal", [ValueError, AttributeError])
def test_where_a_policy_forbids_blake2_keys_are_made_with_sha256(
    monkeypatch: pytest.MonkeyPatch, refusal: type[Exception]
) -> None:
    """Some distributions refuse it in their FIPS mode; a cache must not fail for that."""

    def forbidden(_: bytes) -> NoReturn:
        raise refusal

    monkeypatch.setattr(hashlib, "blake2s", forbidden)
    monkeypatch.setattr(local_cache, "key_hash", local_cache._fastest())
    assert key_of(TOKEN) == hashlib.sha256(TOKEN).digest()[:KEY_SIZE]

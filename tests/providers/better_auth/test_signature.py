"""Better Auth's signatures: what it has made verifies, and nothing else."""

from __future__ import annotations

import zlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.errors import ConfigurationError
from coatcheck.providers.better_auth.signature import Signatures, is_raw_token, signed, split
from tests.servers.better_auth import SECRET

OTHER = "Qz7vM2kP9sXc4bT1yLr8hJd5gWn3fEa6"
TOKEN = "q5fNvsYNa8V7Qw7b45qjPr7dWQyQ6sl8"
# Made by Better Auth 1.7.25 with SECRET.
COOKIE = b"q5fNvsYNa8V7Qw7b45qjPr7dWQyQ6sl8.6OYwB3ofOlQHzhePsqDC6UBFOhW9bSUC%2B0azWeOe5pY%3D"
DECODED = b"q5fNvsYNa8V7Qw7b45qjPr7dWQyQ6sl8.6OYwB3ofOlQHzhePsqDC6UBFOhW9bSUC+0azWeOe5pY="


def test_what_better_auth_has_signed_verifies_encoded_and_decoded() -> None:
    assert signed(TOKEN, SECRET).encode() == DECODED
    for value in (COOKIE, DECODED, COOKIE.replace(b"%2B", b"%2b"), b"%71" + COOKIE[1:]):
        assert Signatures([SECRET]).verify(value) == TOKEN.encode()


def test_any_of_the_accepted_secrets_may_have_signed() -> None:
    for secrets in ([SECRET, OTHER], [OTHER, SECRET]):
        assert Signatures(secrets).verify(COOKIE) == TOKEN.encode()
    assert Signatures([OTHER]).verify(COOKIE) is None


@given(st.integers(0, len(DECODED) - 1), st.binary(min_size=1, max_size=1))
def test_C8_a_changed_octet_never_verifies(position: int, octet: bytes) -> None:
    changed = DECODED[:position] + octet + DECODED[position + 1 :]
    verified = Signatures([SECRET]).verify(changed)
    assert verified == (TOKEN.encode() if changed == DECODED else None)


def test_another_spelling_of_the_same_octets_does_not_verify() -> None:
    """The last character before the padding has two bits to spare."""
    assert DECODED.endswith(b"Y=")
    for last in (b"Z=", b"a=", b"b="):
        assert Signatures([SECRET]).verify(DECODED[:-2] + last) is None


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=64))
def test_a_signed_token_is_read_back(token: str) -> None:
    value = signed(token, SECRET)
    for form in (value, quote(value, safe="")):
        assert Signatures([SECRET]).verify(form.encode()) == token.encode()


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b".", b"a", b"a.b", b"%", b"%2", b"%zz.a", b"../../x", b"%00", b"a\r\nb", b"' OR 1=1", b"x" * 1_000_000),
        *(b"\xc3\xa4" + DECODED, b'"' + DECODED + b'"', DECODED + b" ", b" " + DECODED, DECODED + b"; a=b"),
        *(b"." + DECODED.partition(b".")[2], DECODED.replace(b"=", b""), DECODED.replace(b"+", b"-")),
        *(DECODED + b"%0a", b"%0d%0aset-cookie:x" + DECODED, b"%3b" + DECODED, b"%2525" + DECODED, DECODED + b"="),
    ],
    ids=lambda value: f"{zlib.crc32(value):08x}",
)
def test_T7_what_cannot_be_a_cookie_of_better_auth_is_none(value: bytes) -> None:
    assert split(value) is None
    assert Signatures([SECRET]).verify(value) is None


@given(st.binary(max_size=200))
def test_T7_no_octets_raise(value: bytes) -> None:
    assert Signatures([SECRET]).verify(value) is None
    is_raw_token(value)


def test_a_raw_token_is_one_without_a_signature() -> None:
    assert is_raw_token(TOKEN.encode())
    assert not any(map(is_raw_token, (b"", DECODED, b"a b", b"a;", b"a\n", b"x" * 513)))


@pytest.mark.parametrize(
    ("secrets", "problem"),
    [
        ([], "at least one"),
        (SECRET, "must be a list"),
        (["short"], "secrets[0] has 5 octets"),
        ([SECRET, "x" * 32], "secrets[1] can be guessed"),
        (["better-auth-secret-12345678901234567890"], "secrets[0] can be guessed"),
        ([SECRET, SECRET], "secrets[1] is the same as secrets[0]"),
    ],
    ids=str,
)
def test_S4_a_weak_secret_is_refused_and_not_shown(secrets: list[str], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Signatures(secrets)
    assert problem in str(caught.value)
    assert not [secret for secret in secrets if len(secret) > 1 and secret in str(caught.value)]


def test_T9_neither_tokens_nor_secrets_show() -> None:
    signatures = Signatures([SECRET, OTHER])
    assert repr(signatures) == "<Signatures by 2 secrets>"
    assert TOKEN not in repr(split(DECODED))

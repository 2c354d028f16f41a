"""Signatures: only what our keys signed, for this deployment and in this very form, verifies."""

from __future__ import annotations

import hashlib
import hmac
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coatcheck.core.signing import KeyRing, Verified
from coatcheck.errors import ConfigurationError

KEYS = tuple(hashlib.sha256(b"test key %d" % number).digest() for number in range(3))
NEW, OLD, OTHER = KEYS
TOKEN = "nF8W2qkzv3J0h5yQJ1mR7sT9uXaBcDeFgHiJkLmNoP0"
BASE64URL = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
RING = KeyRing([NEW, OLD], deployment="shop")
SIGNED = RING.sign(TOKEN)


def test_S3_signed_value_is_the_token_a_dot_and_43_characters() -> None:
    """The signature is HMAC-SHA256 over a label, the deployment with its length, and the token."""
    message = b"coatcheck signed token 1" + b"\0\0\0\x04shop" + TOKEN.encode()
    signature = urlsafe_b64encode(hmac.new(NEW, message, "sha256").digest()).decode()
    assert f"{TOKEN}.{signature}".rstrip("=") == SIGNED
    assert len(SIGNED.rpartition(".")[2]) == 43


def test_S3_signature_made_by_an_earlier_release_stays_valid() -> None:
    """These very characters, recorded once, verify for ever."""
    recorded = f"{TOKEN}.p_5eu9Cjfjl29ciA0f7t3SnQRI8Gp8PTDlM3C2lee_k"
    assert RING.verify(recorded) == Verified(TOKEN, current=True)


@given(st.text(BASE64URL, min_size=1))
def test_S3_what_was_signed_verifies(token: str) -> None:
    """Signing and verifying returns the token."""
    assert RING.verify(RING.sign(token)) == (token, True)


@pytest.mark.parametrize(
    ("signing", "verifying", "expected"),
    [
        ([NEW], [NEW], (TOKEN, True)),
        ([OLD], [NEW, OLD], (TOKEN, False)),
        ([OTHER], [NEW, OLD, OTHER], (TOKEN, False)),
        ([NEW, OLD], [NEW], (TOKEN, True)),
        ([NEW, OLD], [OLD], None),
        ([OLD, NEW], [OLD], (TOKEN, True)),
        ([OLD], [NEW], None),
        ([NEW], [NEW.hex()], None),
    ],
)
def test_S3_first_key_signs_and_all_verify(
    signing: list[bytes], verifying: list[bytes | str], expected: tuple[str, bool] | None
) -> None:
    """Rotation keeps old cookies alive, says that they are old, and ends them with their key."""
    value = KeyRing(signing, deployment="shop").sign(TOKEN)
    assert KeyRing(verifying, deployment="shop").verify(value) == expected


def test_S3_text_and_bytes_are_one_key() -> None:
    """A key given as text is its UTF-8 octets."""
    text = "schlüssel-0123456789-abcdefghij-XYZ"
    value = KeyRing([text], deployment="shop").sign(TOKEN)
    assert KeyRing([text.encode()], deployment="shop").verify(value) == (TOKEN, True)


@pytest.mark.parametrize("other", ["Shop", "shop ", "sho", "shopp", "blog"])
def test_S4_value_of_one_deployment_is_invalid_on_another(other: str) -> None:
    """The same key does not make two sites interchangeable."""
    assert KeyRing([NEW, OLD], deployment=other).verify(SIGNED) is None


@given(st.text(BASE64URL, min_size=1), st.text(BASE64URL, min_size=1), st.text(BASE64URL, min_size=1))
def test_S4_deployment_and_token_do_not_run_into_each_other(first: str, second: str, third: str) -> None:
    """Moving characters from the token to the deployment's name changes the signature."""
    left = KeyRing([NEW], deployment=first).sign(second + third).rpartition(".")[2]
    right = KeyRing([NEW], deployment=first + second).sign(third).rpartition(".")[2]
    assert left != right


@pytest.mark.parametrize(
    "key",
    [
        b"x" * 32,
        b"\0" * 64,
        "0" * 40,
        b"changeme" * 4,
        "changeme" * 10,
        b"changeme" * 4 + b"chang",
        b"secret" * 6,
        NEW[:16] * 2,
        "ababababababababcdcdcdcdcdcdcdcd",
        "this-key-says-CHANGEME-before-you-go-live",
        "CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET",
        "django-insecure-8z#k3v!q2p$w7r^t9y&u1i*o0p(a)s_d+f-g=h",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
        "a-string-secret-at-least-256-bits-long",
    ],
)
def test_S4_keys_that_can_be_guessed_are_refused(key: str | bytes) -> None:
    """A long key that repeats itself or was published is no key."""
    with pytest.raises(ConfigurationError, match=r"^keys\[1\] can be guessed: .*secrets\.token_urlsafe"):
        KeyRing([NEW, key], deployment="shop")


@pytest.mark.parametrize("length", [0, 1, 16, 31])
def test_S4_short_keys_are_refused(length: int) -> None:
    """A key has 32 octets or more."""
    with pytest.raises(ConfigurationError, match=rf"^keys\[0\] has {length} octets, and 32 are needed"):
        KeyRing([NEW[:length]], deployment="shop")


@given(st.binary(min_size=32, max_size=32).filter(lambda key: len(set(key)) > 16))
def test_S4_random_keys_are_accepted(key: bytes) -> None:
    """The search for guessable keys does not refuse good ones, in octets or in either usual spelling."""
    for spelling in (key, key.hex(), urlsafe_b64encode(key).decode()):
        assert KeyRing([spelling], deployment="shop").verify(SIGNED) is None


@pytest.mark.parametrize("keys", [[], (), "x" * 40, NEW])
def test_S4_keys_are_a_list_with_at_least_one(keys: Any) -> None:
    """No key at all, or a single key where a list is expected, is refused."""
    with pytest.raises(ConfigurationError, match=r"^keys must be a list"):
        KeyRing(keys, deployment="shop")


def test_S4_duplicate_keys_are_refused() -> None:
    """A key that stands there twice was meant to be another one."""
    text = "a-fine-key-that-nobody-knows-0123456789"
    with pytest.raises(ConfigurationError, match=r"^keys\[2\] is the same as keys\[1\]"):
        KeyRing([NEW, text, text.encode()], deployment="shop")


@pytest.mark.parametrize("deployment", ["", " ", "\t\n"])
def test_S4_empty_deployment_is_refused(deployment: str) -> None:
    """A deployment without a name binds nothing."""
    with pytest.raises(ConfigurationError, match=r"^deployment=.* is empty"):
        KeyRing([NEW], deployment=deployment)


@pytest.mark.parametrize(
    "keys",
    [
        ["changeme" * 4],
        ["too-short-to-be-a-key"],
        ["a-fine-key-that-nobody-knows-0123456789"] * 2,
        "a-bare-key" * 4,
    ],
    ids=["well known", "short", "duplicate", "no list"],
)
def test_T9_messages_do_not_contain_keys(keys: Any) -> None:
    """A refusal names the position of the key, never the key."""
    with pytest.raises(ConfigurationError) as caught:
        KeyRing(keys, deployment="shop")
    shown = f"{caught.value!r}"
    assert not any(key[:8] in shown for key in ([keys] if isinstance(keys, str) else keys))


def test_T9_repr_shows_the_number_of_keys_only() -> None:
    """A ring in a log shows no key and no deployment."""
    assert repr(RING) == "<KeyRing of 2 keys>"
    assert repr(KeyRing([NEW], deployment="shop")) == "<KeyRing of 1 key>"


@pytest.mark.parametrize("position", range(len(SIGNED)))
def test_S2_every_changed_character_is_noticed(position: int) -> None:
    """No character of the token, the dot or the signature can be another one."""
    for other in BASE64URL + ".= ":
        if other != SIGNED[position]:
            assert RING.verify(SIGNED[:position] + other + SIGNED[position + 1 :]) is None


def test_S2_other_spellings_of_the_same_signature_do_not_verify() -> None:
    """The three other last characters that decode to the same octets are refused."""
    octets = urlsafe_b64decode(SIGNED.rpartition(".")[2] + "=")
    twins = [last for last in BASE64URL if urlsafe_b64decode(f"{SIGNED[-43:-1]}{last}=") == octets]
    assert len(twins) == 4
    assert [last for last in twins if RING.verify(SIGNED[:-1] + last)] == [SIGNED[-1]]


TOKEN_PART, SIGNATURE_PART = SIGNED.split(".")


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        TOKEN,
        TOKEN + ".",
        "." + SIGNATURE_PART,
        SIGNATURE_PART,
        SIGNED + "=",
        SIGNED + "\n",
        " " + SIGNED,
        SIGNED + " ",
        SIGNED + ".",
        SIGNED + SIGNATURE_PART,
        f"{SIGNED}.{SIGNATURE_PART}",
        f'"{SIGNED}"',
        f"{TOKEN}..{SIGNATURE_PART}",
        f"{TOKEN}:{SIGNATURE_PART}",
        f"{TOKEN}\0.{SIGNATURE_PART}",
        f"{TOKEN}é.{SIGNATURE_PART}",
        f"{TOKEN}\ud800.{SIGNATURE_PART}",
        f"{TOKEN}.{SIGNATURE_PART[:-1]}é",
        SIGNED.replace(".", "\uff0e"),
        "A" * 65536,
        "." * 65536,
    ],
)
def test_S2_only_the_exact_form_is_accepted(value: str) -> None:
    """Anything but a token, one dot and 43 characters is no signed value, and no error either."""
    assert RING.verify(value) is None


@given(st.text())
@example("é." + SIGNATURE_PART)
def test_S2_arbitrary_text_never_verifies(value: str) -> None:
    """Text that nobody signed is refused quietly."""
    assert RING.verify(value) is None
    assert RING.verify(f"{value}.{SIGNATURE_PART}") is None or value == TOKEN


@pytest.mark.parametrize("token", ["", "a.b", "a b", "a=b", "tökén", "a\n", "\ud800", "a;b"])
def test_T9_only_base64url_tokens_are_signed(token: str) -> None:
    """A text that could not be verified again is not signed, and not shown."""
    with pytest.raises(ValueError, match=r"^only a token of base64url characters can be signed$"):
        RING.sign(token)

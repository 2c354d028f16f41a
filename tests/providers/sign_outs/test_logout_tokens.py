"""Logout tokens: each rule broken once, and the keys that are read for them."""

from __future__ import annotations

import base64
import hmac
import json
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from coatcheck import ConfigurationError, Unavailable
from coatcheck.core.identities import Nonsense
from coatcheck.providers.base import HTTPSettings
from coatcheck.providers.logout_tokens import AsyncLogoutTokens, Logout, LogoutRefused, LogoutTokens
from coatcheck.providers.logout_tokens.claims import logout_of
from coatcheck.providers.logout_tokens.signatures import ALGORITHMS, claimed, keys_of
from coatcheck.testing import ManualClock
from tests.providers.asking import Asking, asking
from tests.providers.sign_outs.signing import AT, CLAIMS, EC, ED, EVENT, ISSUER, NOW, OTHER, RSA, Keys, jwk_of, token

if TYPE_CHECKING:
    from collections.abc import Iterator

HASTY = HTTPSettings(retries=0, failures=100)


@contextmanager
def validator(kind: str, keys: Keys | None = None, **how: Any) -> Iterator[Asking]:
    keys = keys or Keys()
    client: Any = keys.client() if kind == "asyncio" else keys.client_for_threads()
    cls: Any = AsyncLogoutTokens if kind == "asyncio" else LogoutTokens
    usual = {"jwks_url": f"{ISSUER}/keys", "settings": HASTY, "client": client, "clock": ManualClock()}
    with asking(client), asking(cls(ISSUER, "web", **{**usual, **how})) as it:
        yield it


def test_A5_a_logout_token_tells_whose_session_has_ended(kind: str) -> None:
    with validator(kind) as it:
        assert it.validate(token()) == Logout(ISSUER, "logout-1", NOW, "login-7", "ada")
        assert it.validate(token(sid=...)).sid is None
        assert it.validate(token(sub=...)).user_id is None


HS_KEY = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _unsigned(alg: str) -> str:
    return jwt.encode(CLAIMS, "", algorithm="none", headers={"typ": "logout+jwt", "kid": "one", "alg": alg})


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _with_a_public_key() -> str:
    """Sign with HS256, and with what everybody knows as the secret; the library itself refuses to."""
    text = f"{_part({'typ': 'logout+jwt', 'kid': 'one', 'alg': 'HS256'})}.{_part(CLAIMS)}"
    digest = hmac.digest(HS_KEY, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _altered() -> str:
    head, _, signature = token().split(".")
    return f"{head}.{_part({**CLAIMS, 'sid': 'of another'})}.{signature}"


BROKEN: dict[str, tuple[str, str]] = {
    "typ of an ID token": (token(header={"typ": "JWT"}), "typ"),
    "typ of an access token": (token(header={"typ": "at+jwt"}), "typ"),
    "another issuer": (token(iss="https://other.example.com"), "iss"),
    "no issuer": (token(iss=...), "iss"),
    "for another client": (token(aud="other"), "aud"),
    "for other clients": (token(aud=["other", "webshop"]), "aud"),
    "for nobody": (token(aud=...), "aud"),
    "no events": (token(events=...), "events"),
    "another event": (token(events={"http://schemas.openid.net/event/other": {}}), "events"),
    "an event that is no object": (token(events={EVENT: True}), "events"),
    "events as a list": (token(events=[EVENT]), "events"),
    "a nonce": (token(nonce="n"), "nonce"),
    "an empty nonce": (token(nonce=None), "nonce"),
    "no jti": (token(jti=...), "jti"),
    "an empty jti": (token(jti=""), "jti"),
    "a jti that is a number": (token(jti=7), "jti"),
    "neither sub nor sid": (token(sub=..., sid=...), "sid and sub"),
    "an empty sid": (token(sid=""), "sid"),
    "a very long sub": (token(sub="x" * 256), "sub"),
    "half a character as sub": (token(sub="\ud800"), "sub"),
    "a NUL in sid": (token(sid="a\0b"), "sid"),
    "no iat": (token(iat=...), "iat"),
    "from the future": (token(iat=AT + 61), "iat"),
    "too old": (token(iat=AT - 3601), "iat"),
    "no exp": (token(exp=...), "exp"),
    "expired": (token(exp=AT - 60), "exp"),
    "a time in words": (token(exp="tomorrow"), "exp"),
    "another key": (token(OTHER), "no key"),
    "altered": (_altered(), "no key"),
    "unsigned": (_unsigned("none"), "alg"),
    "a public key as a secret": (_with_a_public_key(), "alg"),
    "no signature": (token().rpartition(".")[0] + ".", "no key"),
    "an algorithm that is not admitted": (token(alg="RS512"), "alg"),
    "its own key": (token(OTHER, header={"jwk": jwk_of(OTHER, "one"), "jku": "https://evil.example/"}), "no key"),
    "a demand": (token(header={"crit": ["exp"]}), r"demands|no signed token"),
    "no token": ("logout", "no signed token"),
    "nothing": ("", "no signed token"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_A5_J1_a_token_that_breaks_a_rule_is_refused(kind: str, case: str) -> None:
    """And what is said of it holds nothing out of it."""
    text, why = BROKEN[case]
    with validator(kind) as it, pytest.raises(LogoutRefused, match=why) as refused:
        it.validate(text)
    for secret in ("login-7", "logout-1", "ada", "evil"):
        assert secret not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        token(header={"typ": ...}),
        token(header={"typ": "Logout+JWT"}),
        token(aud=["other", "web"]),
        token(iat=AT + 60),
        token(iat=AT - 3600),
        token(exp=AT - 59),
        token(events={EVENT: {}, "other": 1}),
        token(kid=None),
    ],
    ids=["no typ", "typ", "aud", "ahead", "old", "exp", "events", "no kid"],
)
def test_A5_a_token_that_is_just_good_enough_counts(text: str) -> None:
    with validator("threads") as it:
        assert it.validate(text).sid == "login-7"


@pytest.mark.parametrize(
    ("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA")], ids=["RS", "PS", "ES", "Ed"]
)
def test_J1_each_algorithm_needs_a_key_of_its_kind(key: Any, alg: str) -> None:
    with validator("threads", Keys([jwk_of(RSA, "x"), jwk_of(EC, "x"), jwk_of(ED, "x")])) as it:
        assert it.validate(token(key, alg, kid="x"))
    for wrong in ({"alg": "RS384"}, {"use": "enc"}, {"kid": "y"}):
        with validator("threads", Keys([{**jwk_of(key, "x"), **wrong}])) as it, pytest.raises(LogoutRefused):
            it.validate(token(key, alg, kid="x"))


@pytest.mark.parametrize("algorithms", [[], ["none"], ["HS256"], ["RS256", "HS256"], "RS256"], ids=str)
def test_J1_no_algorithm_can_be_admitted_that_needs_no_secret_of_the_provider(algorithms: Any) -> None:
    with pytest.raises(ConfigurationError, match="algorithms"):
        AsyncLogoutTokens(ISSUER, "web", algorithms=algorithms)


@pytest.mark.parametrize("client_id", ["", [], ["web", ""]], ids=str)
def test_somebody_must_be_meant(client_id: Any) -> None:
    with pytest.raises(ConfigurationError, match="client_id"):
        AsyncLogoutTokens(ISSUER, client_id)


# --- the keys


def test_keys_are_read_once_and_again_after_an_hour(kind: str) -> None:
    keys, clock = Keys(), ManualClock()
    with validator(kind, keys, clock=clock) as it:
        for _ in range(3):
            it.validate(token())
        assert keys.asked == ["/keys"]
        clock.advance(timedelta(hours=1))
        keys.keys = [jwk_of(OTHER, "two")]
        with pytest.raises(LogoutRefused):
            it.validate(token(iat=AT + 3600, exp=AT + 3700))
        assert keys.asked == ["/keys"] * 2


def test_a_new_key_is_found_and_made_up_ones_are_looked_for_now_and_then(kind: str) -> None:
    keys, clock = Keys(), ManualClock()
    with validator(kind, keys, clock=clock) as it:
        it.validate(token())
        keys.keys.append(jwk_of(OTHER, "two"))
        with pytest.raises(Unavailable):  # so that the sender tries again
            it.validate(token(OTHER, kid="two"))
        clock.advance(timedelta(seconds=10))
        assert it.validate(token(OTHER, kid="two"))
        for made_up in range(20):
            with pytest.raises(Unavailable):
                it.validate(token(OTHER, kid=f"made-up-{made_up}"))
        assert it.validate(token())
        assert len(keys.asked) == 2


@pytest.mark.parametrize("kid", ["one", None], ids=["of the same name", "without a name"])
def test_a_key_in_the_place_of_another_is_found(kind: str, kid: str | None) -> None:
    keys, clock = Keys([jwk_of(RSA, kid)]), ManualClock()
    with validator(kind, keys, clock=clock) as it:
        assert it.validate(token(kid=kid))
        keys.keys = [jwk_of(OTHER, kid)]
        clock.advance(timedelta(seconds=10))
        assert it.validate(token(OTHER, kid=kid))
        with pytest.raises(LogoutRefused):
            it.validate(token(kid=kid))


@pytest.mark.parametrize("status", [500, 404, 302, 429], ids=str)
def test_I4_keys_that_cannot_be_read_are_an_outage(kind: str, status: int) -> None:
    keys = Keys(status=status)
    with validator(kind, keys) as it:
        with pytest.raises(Unavailable):
            it.validate(token())
        keys.status = 200
        assert it.validate(token())


@pytest.mark.parametrize(
    "description",
    [
        {"issuer": ISSUER + "/", "jwks_uri": f"{ISSUER}/keys"},
        {},
        [],
        "x",
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        {"issuer": ISSUER, "jwks_uri": 7},
    ],
    ids=str,
)
def test_the_providers_description_must_be_its_own(kind: str, description: Any) -> None:
    keys = Keys(description=description)
    with validator(kind, keys, jwks_url=None) as it:
        with pytest.raises(Unavailable):
            it.validate(token())
        keys.description = Keys().description
        assert it.validate(token())
        assert keys.asked == ["/.well-known/openid-configuration"] * 2 + ["/keys"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(changes=st.dictionaries(st.sampled_from([*CLAIMS, "nonce"]), JSON, max_size=3), whole=JSON)
def test_whatever_is_signed_is_a_logout_or_refused(changes: dict[str, Any], whole: Any) -> None:
    for claims in ({**CLAIMS, **changes}, whole):
        try:
            logout = logout_of({}, claims, issuer=ISSUER, clients=frozenset({"web"}), now=NOW)
        except LogoutRefused:
            continue
        assert logout.issuer == ISSUER
        assert logout.sid or logout.user_id


@given(text=st.text(max_size=60) | st.lists(st.text("ey0aJ_-9", max_size=9), max_size=4).map(".".join), said=JSON)
def test_whatever_is_sent_is_refused_and_breaks_nothing(text: str, said: Any) -> None:
    with pytest.raises(LogoutRefused):
        claimed(text, ALGORITHMS)
    with suppress(Nonsense):
        keys_of(said)

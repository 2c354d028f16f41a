"""Proofs: those of RFC 9449 and of another implementation, and each of the ways in which one can be wrong (rule J8)."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck import ConfigurationError, DPoP
from coatcheck.core.base64url import octets_of, text_of
from coatcheck.core.dpop import nonces
from coatcheck.core.dpop.addresses import normal_address
from coatcheck.core.dpop.proofs import Asked, NonceWanted, Proof, WrongKey, checked
from coatcheck.core.jose.jwts import ProofRefused
from coatcheck.device_signatures import Signatures
from tests.dpop.client import ORIGIN, Client

if TYPE_CHECKING:
    from collections.abc import Sequence

URL, TOKEN = f"{ORIGIN}/things", "a-token"
CLIENT, RSA = Client(), Client("RS256")
SETTINGS = DPoP(origins=(ORIGIN,))
WITH_NONCES = DPoP(origins=(ORIGIN,), nonces=True)
SECRETS = (b"a" * 32, b"b" * 32)
VERIFIER = Signatures()

# RFC 9449 sections 4.1 and 7.1, and the thumbprint of section 6.1.
_KEY = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJo"
    "RjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19."
)
RFC_TOKEN_REQUEST = (
    _KEY
    + "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwi"
    "aWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
RFC_REQUEST = (
    _KEY
    + "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0"
    "ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9."
    "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256's group
RFC_TOKEN = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
RFC_THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def check(
    lines: str | Sequence[str],
    *,
    settings: DPoP = SETTINGS,
    client: Client = CLIENT,
    now: int | None = None,
    **asked: Any,
) -> Proof:
    """Check a proof, by default of a GET with the client's token."""
    address = normal_address(asked.pop("url", URL))
    assert address
    request = Asked("GET", [address], TOKEN.encode(), client.thumbprint)._replace(**asked)
    sent = [lines] if isinstance(lines, str) else lines
    moment = int(time.time()) if now is None else now
    return checked([line.encode() for line in sent], request, settings, VERIFIER, secrets=SECRETS, now=moment)


def test_J8_the_examples_of_the_rfc_are_good() -> None:
    rfc: dict[str, Any] = {"thumbprint": RFC_THUMBPRINT}
    token_request = {**rfc, "url": "https://server.example.com/token", "method": "POST", "token": None}
    request = {**rfc, "url": "https://resource.example.org/protectedresource", "token": RFC_TOKEN}
    assert check(RFC_TOKEN_REQUEST, now=1562262616, **token_request).thumbprint == RFC_THUMBPRINT
    assert check(RFC_REQUEST, now=1562262618, **request).thumbprint == RFC_THUMBPRINT
    for wrong in ({"token": RFC_TOKEN[:-1]}, {"method": "POST"}, {"url": "https://resource.example.org/"}):
        with pytest.raises(ProofRefused):
            check(RFC_REQUEST, now=1562262618, **{**request, **wrong})


@pytest.mark.parametrize("client", [CLIENT, RSA], ids=["ES256", "RS256"])
def test_J8_a_proof_is_good_for_its_own_request(client: Client) -> None:
    proof = check(client.proof("GET", f"{URL}?page=2#top", TOKEN), client=client)
    assert proof.thumbprint == client.thumbprint
    assert proof.used != check(client.proof("GET", URL, TOKEN), client=client).used
    assert check(client.proof("GET", URL), client=client, token=None, thumbprint=None).thumbprint == proof.thumbprint


def test_J8_01_there_is_one_header() -> None:
    proof = CLIENT.proof("GET", URL, TOKEN)
    with pytest.raises(ProofRefused, match="there is none"):
        check([])
    for lines in ([proof, proof], [proof, ""], [f"{proof}, {proof}"], [f"{proof},{proof}"]):
        with pytest.raises(ProofRefused, match=r"more than one|no JWT"):
            check(lines)


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "....", "a.b.c.d.e", "{}", "x" * 20_000, "e30.e30.", "é.é.é"])
def test_J8_02_it_is_a_jwt(text: str) -> None:
    with pytest.raises(ProofRefused, match="no JWT"):
        check(text)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-le", "utf-8-sig"])
def test_J8_02_a_jwt_is_written_in_utf_8(encoding: str) -> None:
    """Whoever looks at it on the way must not read another one (RFC 7519 section 7.2)."""
    head, claims, _ = CLIENT.proof("GET", URL, TOKEN).split(".")
    told = text_of((octets_of(claims) or b"").decode().encode(encoding))
    with pytest.raises(ProofRefused, match="no JWT"):
        check(f"{head}.{told}.{text_of(CLIENT.device.sign(f'{head}.{told}'.encode()))}")


@pytest.mark.parametrize("claim", ["jti", "htm", "htu", "iat", "ath"])
@pytest.mark.parametrize("value", [None, "", 7, True, [], {}, "other"])
def test_J8_03_no_claim_is_missing_or_something_else(claim: str, value: object) -> None:
    if (claim, value) == ("jti", "other"):
        return  # a name like any other
    with pytest.raises(ProofRefused, match=claim):
        check(CLIENT.proof("GET", URL, TOKEN, claims={claim: value}))


@pytest.mark.parametrize("typ", [None, "JWT", "dbsc+jwt", "DPoP+JWT", "application/dpop+jwt", 1, ["dpop+jwt"]])
def test_J8_04_the_type_is_that_of_a_proof(typ: object) -> None:
    with pytest.raises(ProofRefused, match="type"):
        check(CLIENT.proof("GET", URL, TOKEN, header={"typ": typ}))


@pytest.mark.parametrize("alg", [None, "none", "HS256", "ES256K", "RS1", "es256", 256, ["ES256"]])
def test_J8_05_the_algorithm_is_one_of_ours(alg: object) -> None:
    with pytest.raises(ProofRefused, match="not signed with ES256 or RS256"):
        check(CLIENT.proof("GET", URL, TOKEN, header={"alg": alg}))


def test_J8_05_the_algorithm_fits_the_key() -> None:
    with pytest.raises(ProofRefused, match="RS256 needs"):
        check(CLIENT.proof("GET", URL, TOKEN, header={"alg": "RS256"}))


def test_J8_06_the_key_has_signed_it() -> None:
    proof, other = CLIENT.proof("GET", URL, TOKEN), Client()
    head, claims, signature = proof.split(".")
    stolen = CLIENT.proof("GET", URL, TOKEN).split(".")
    forged = [
        f"{head}.{stolen[1]}.{signature}",
        f"{head}.{claims}.{text_of(bytes(64))}",
        f"{head}.{claims}.{text_of(bytes([255]) * 64)}",
        f"{head}.{claims}.{text_of(bytes(1) + (octets_of(signature) or b''))}",
        f"{head}.{claims}.{text_of((octets_of(signature) or b'')[:-2])}",
        other.proof("GET", URL, TOKEN, header={"jwk": CLIENT.device.jwk}),
    ]
    for text in forged:
        with pytest.raises(ProofRefused, match="has not signed"):
            check(text)


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_J8_07_the_key_is_no_private_one(member: str) -> None:
    with pytest.raises(ProofRefused, match="private"):
        check(CLIENT.proof("GET", URL, TOKEN, header={"jwk": {**CLIENT.device.jwk, member: "AQAB"}}))


@pytest.mark.parametrize("jwk", [None, "key", [], {}, {"kty": "oct", "x": "AQAB"}, {"kty": "EC", "crv": "P-256"}])
def test_J8_07_there_is_a_key_that_can_be(jwk: object) -> None:
    with pytest.raises(ProofRefused, match="key"):
        check(CLIENT.proof("GET", URL, TOKEN, header={"jwk": jwk}))


@pytest.mark.parametrize("method", ["POST", "get", "HEAD", "GET "])
def test_J8_08_the_method_is_that_of_the_request(method: str) -> None:
    with pytest.raises(ProofRefused, match="htm"):
        check(CLIENT.proof(method, URL, TOKEN))


@pytest.mark.parametrize(
    "url", [f"{URL}/", ORIGIN, "https://evil.example/things", "http://api.example/things", "/things"]
)
def test_J8_09_the_address_is_that_of_the_request(url: str) -> None:
    with pytest.raises(ProofRefused, match="htu"):
        check(CLIENT.proof("GET", url, TOKEN))


def test_J8_10_a_nonce_is_one_that_was_given_out_here_and_is_not_over() -> None:
    now = int(time.time())
    young, old = nonces.issued(SECRETS[0], now), nonces.issued(SECRETS[0], now - 301)
    later = nonces.issued(SECRETS[0], now + 6)  # by a clock that was wrong: its proof would be forgotten before its end
    wrong = [
        None,
        "",
        "x",
        old,
        later,
        text_of(bytes(37)),
        nonces.issued(b"c" * 32, now),
        young[:-1],
        young + "A",
        "é" * 50,
    ]
    for nonce in wrong:
        with pytest.raises(NonceWanted):
            check(CLIENT.proof("GET", URL, TOKEN, claims={"nonce": nonce}), settings=WITH_NONCES, now=now)
    for secret, age in ((SECRETS[0], 0), (SECRETS[1], 300), (SECRETS[0], -5)):  # S3: that of an older key too
        nonce = nonces.issued(secret, now - age)
        proof = check(CLIENT.proof("GET", URL, TOKEN, claims={"nonce": nonce}), settings=WITH_NONCES, now=now)
        assert proof.nonce_age == age


def test_J8_11_the_time_is_near() -> None:
    """Either way, by the clock here; where there are nonces, they tell the time, and not the client's clock."""
    now = int(time.time())
    for distance in (-60, 0, 60):
        assert check(CLIENT.proof("GET", URL, TOKEN, claims={"iat": now - distance}), now=now)
    for iat in (now - 61, now + 61, 0, -1, 10**30, 1e300, float("nan"), float("inf")):
        with pytest.raises(ProofRefused, match="iat"):
            check(CLIENT.proof("GET", URL, TOKEN, claims={"iat": iat}), now=now)
    wrong_clock = {"iat": now - 10**6, "nonce": nonces.issued(SECRETS[0], now)}
    assert check(CLIENT.proof("GET", URL, TOKEN, claims=wrong_clock), settings=WITH_NONCES, now=now)


def test_J8_12_the_token_is_that_of_the_request_and_the_key_that_of_the_token() -> None:
    for ath in (text_of(sha256(b"another").digest()), sha256(TOKEN.encode()).hexdigest(), TOKEN):
        with pytest.raises(ProofRefused, match="ath"):
            check(CLIENT.proof("GET", URL, TOKEN, claims={"ath": ath}))
    with pytest.raises(WrongKey):
        check(Client().proof("GET", URL, TOKEN))


def test_J8_a_jti_has_a_bound_and_leaves_only_a_hash() -> None:
    used = check(CLIENT.proof("GET", URL, TOKEN, claims={"jti": "x" * 256})).used
    assert len(used) == 32
    with pytest.raises(ProofRefused, match="jti"):
        check(CLIENT.proof("GET", URL, TOKEN, claims={"jti": "x" * 257}))
    other = check(RSA.proof("GET", URL, TOKEN, claims={"jti": "x" * 256}), client=RSA)
    assert other.used != used, "one client cannot use up the names of another"
    check(CLIENT.proof("GET", URL, TOKEN, claims={"jti": "\ud800"}))


def test_J8_another_signature_of_the_same_proof_is_no_other_proof() -> None:
    """Of each of ES256 anybody can make a second one that is good, without the key."""
    proof = CLIENT.proof("GET", URL, TOKEN)
    message, _, signature = proof.rpartition(".")
    octets = octets_of(signature) or b""
    other = octets[:32] + (_ORDER - int.from_bytes(octets[32:])).to_bytes(32)
    assert check(f"{message}.{text_of(other)}").used == check(proof).used


def test_J1_what_a_header_names_besides_is_not_followed() -> None:
    assert check(CLIENT.proof("GET", URL, TOKEN, header={"jku": "https://evil.example", "kid": "other", "x5u": "x"}))
    with pytest.raises(ProofRefused, match="demands"):
        check(CLIENT.proof("GET", URL, TOKEN, header={"crit": ["exp"]}))


def test_T9_no_refusal_quotes_the_proof() -> None:
    secret = "do-not-show-me"
    for changes in ({"claims": {"htm": secret}}, {"header": {"alg": secret}}, {"claims": {"jti": secret * 100}}):
        with pytest.raises(ProofRefused) as refused:
            check(CLIENT.proof("GET", URL, TOKEN, **changes))
        assert secret not in str(refused.value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.text() | st.binary().map(lambda octets: octets.decode("latin-1")))
def test_J8_whatever_is_sent_is_refused_and_never_an_error(text: str) -> None:
    with pytest.raises(ProofRefused):
        checked([text.encode()], Asked("GET", [URL], b"t", None), SETTINGS, VERIFIER, secrets=SECRETS, now=0)


@given(
    st.dictionaries(st.sampled_from(["typ", "alg", "jwk", "crit"]), _JSON),
    st.dictionaries(st.sampled_from(["jti", "htm", "htu", "iat", "nonce", "ath"]), _JSON),
)
def test_J8_whatever_is_signed_is_refused_and_never_an_error(header: dict[str, Any], claims: dict[str, Any]) -> None:
    """The one thing that is wrong may stand anywhere; `ath` of another token makes sure that something is."""
    wrong = {"ath": "wrong", **claims}
    try:
        text = CLIENT.proof("GET", URL, TOKEN, header=header, claims=wrong)
    except UnicodeEncodeError:
        return
    with pytest.raises(ProofRefused):
        check(text, settings=WITH_NONCES)


def test_deep_and_broken_json_is_refused() -> None:
    deep = text_of(b"[" * 100_000)
    for part in (deep[:4000], text_of(b'{"typ":' + b"[" * 3000), text_of(b"\xff"), text_of(json.dumps([1]).encode())):
        with pytest.raises(ProofRefused, match="no JWT"):
            check(f"{part}.{part}.AAAA")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"origins": ()}, "dpop origins=\\(\\) is not possible"),
        ({"origins": "https://a.example"}, "use a tuple"),
        ({"origins": ("a.example",)}, "dpop origins='a.example' is not possible"),
        ({"origins": ("ftp://a.example",)}, "use a scheme and a host"),
        ({"window": timedelta(0)}, "dpop window=0:00:00 is not possible"),
        ({"window": timedelta(minutes=6)}, "dpop window"),
        ({"nonce_ttl": timedelta(hours=2)}, "dpop nonce_ttl"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DPoP(**{"origins": (ORIGIN,), **settings})
    assert DPoP(origins=("HTTPS://API.example:443/",)) == SETTINGS

"""Headers, keys, proofs, challenges and cookies: what is read, and each way in which it can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.core.dbsc import bound_cookie, challenges, headers, keys, proofs
from coatcheck.core.dbsc.challenges import Offer
from coatcheck.core.dbsc.headers import Skipped
from coatcheck.core.dbsc.keys import BadKey, ECKey, octets_of, text_of
from coatcheck.core.dbsc.proofs import ProofRefused, SignatureWrong
from coatcheck.device_signatures import Signatures
from tests.dbsc.device import Device

VECTORS = [folder / "shared" / "data" / "dbsc_vectors.json" for folder in Path(__file__).parents]
VERIFIER = Signatures()
EC, RSA = Device(), Device("RS256")
URL = "https://shop.example/session/device/register"
SECRET, OTHER = b"s" * 32, b"o" * 32
NOW = 1_800_000_000


def registered(text: str) -> keys.PublicKey:
    return proofs.registered_key(proofs.parsed(text), VERIFIER, audiences=[URL])


def checked(text: str, device: Device = EC) -> proofs.Proof:
    proof = proofs.parsed(text)
    proofs.check(proof, keys.key_of(device.algorithm, device.jwk), VERIFIER, audiences=[URL])
    return proof


# --- what Chromium sends


def test_the_proofs_of_chromium_156_are_good() -> None:
    """Captured from a real browser, with and without `aud`: registrations verify, and refreshes with their keys."""
    found = [path for path in VECTORS if path.exists()]
    if not found:
        pytest.skip("the captured proofs of Chromium, dbsc_vectors.json, are not beside this repository")
    sent: list[dict[str, Any]] = json.loads(found[0].read_text())
    verified, key = [], None
    for each in sent:
        if each.get("header_value") is None:
            continue
        line = each["header_value"].encode()
        for form in (line, b'"' + line + b'"'):
            text = headers.proof_in([form])
            assert text is not None
            proof = proofs.parsed(text)
            audiences = [proof.audience] if proof.audience else []
            if each["kind"] == "registration":
                key = proofs.registered_key(proof, VERIFIER, audiences=audiences)
                assert keys.read(keys.written(key)) == key
            else:
                assert key is not None
                proofs.check(proof, key, VERIFIER, audiences=audiences)
                assert headers.session_id_in([each["sec_secure_session_id"].encode()])
            if proof.audience:
                with pytest.raises(ProofRefused, match="another address"):
                    proofs.check(proof._replace(jwk=None), key, VERIFIER, audiences=["https://elsewhere.example"])
        verified.append(each["kind"])
    assert verified == ["registration", "refresh"] * 2


# --- headers


@pytest.mark.parametrize("line", [b"abc.d-e_f", b'"abc.d-e_f"', b' "abc.d-e_f" '], ids=["bare", "quoted", "spaces"])
def test_strings_are_read_with_quotation_marks_and_without(line: bytes) -> None:
    assert headers.session_id_in([line]) == headers.proof_in([line]) == "abc.d-e_f"


@pytest.mark.parametrize(
    "lines",
    [[], [b""], [b'""'], [b'"a'], [b'a"'], [b'"a\\"b"'], [b"a", b"a"], [b"a b"], [b"a,b"], [b"\xff"], [b"a" * 9000]],
    ids=["none", "empty", "empty string", "open", "shut", "escape", "two", "space", "list", "octet", "long"],
)
def test_what_is_no_string_is_nothing(lines: list[bytes]) -> None:
    assert headers.session_id_in(lines) is None
    assert headers.proof_in(lines) is None


def test_why_a_browser_skipped_is_read_however_it_is_written() -> None:
    line = b'quota_exceeded;session_identifier="one", unreachable;x=1, "?;session_identifier="two"'
    assert headers.skipped_in([line]) == (
        Skipped("quota_exceeded", "one"),
        Skipped("unreachable", None),
        Skipped("", "two"),
    )
    assert headers.skipped_in([]) == ()
    assert headers.skipped_in([b""]) == (Skipped("", None),)
    assert headers.skipped_in([b"x" * 5000]) == (Skipped("", None),)


@given(st.lists(st.binary(max_size=200), max_size=3))
def test_no_header_is_an_error(lines: list[bytes]) -> None:
    for read in (headers.proof_in, headers.session_id_in):
        text = read(lines)
        assert text is None or text.isascii()
    assert len(headers.skipped_in(lines)) <= 16


def test_the_headers_that_are_sent() -> None:
    name, value = headers.registration("/session/device/register", "c-1", "a_2")
    assert name == b"secure-session-registration"
    assert value == b'(ES256 RS256);path="/session/device/register";challenge="c-1";authorization="a_2"'
    assert headers.challenged("c-1", "id") == (b"secure-session-challenge", b'"c-1";id="id"')
    assert headers.can_name("txEbNUk_NANJZueJvgyaOw")
    assert not headers.can_name('a"b')
    assert not headers.can_name("a\r\nb")


# --- keys


def test_a_key_is_known_by_its_thumbprint() -> None:
    """The example of RFC 7638 section 3.1."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMst"
        "n64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn"
        "1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    key = keys.key_of("RS256", {"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})
    assert keys.thumbprint(key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("device", [EC, RSA], ids=["EC", "RSA"])
def test_a_key_is_kept_and_read(device: Device) -> None:
    key = keys.key_of(device.algorithm, device.jwk)
    assert keys.read(keys.written(key)) == key


def a_point_off_the_curve() -> dict[str, str]:
    x = octets_of(EC.jwk["x"]) or b""
    return {**EC.jwk, "x": text_of((int.from_bytes(x) ^ 1).to_bytes(32))}


@pytest.mark.parametrize(
    ("algorithm", "jwk"),
    [
        ("ES256", None),
        ("ES256", []),
        ("ES256", RSA.jwk),
        ("RS256", EC.jwk),
        ("ES256", {**EC.jwk, "crv": "P-384"}),
        ("ES256", {**EC.jwk, "crv": None}),
        ("ES256", {**EC.jwk, "kty": "OKP"}),
        ("ES256", a_point_off_the_curve()),
        ("ES256", {**EC.jwk, "x": text_of(bytes(32)), "y": text_of(bytes(32))}),
        ("ES256", {**EC.jwk, "x": text_of(b"\xff" * 32)}),
        ("ES256", {**EC.jwk, "x": text_of(b"\x00" + (octets_of(EC.jwk["x"]) or b""))}),
        ("ES256", {**EC.jwk, "x": EC.jwk["x"] + "="}),
        ("ES256", {**EC.jwk, "x": 1}),
        ("ES256", {**EC.jwk, "x": "ü"}),
        ("RS256", Device("RS256", bits=1024).jwk),
        ("RS256", {**RSA.jwk, "e": text_of(b"\x03")}),
        ("RS256", {**RSA.jwk, "e": text_of(b"\x01\x00\x00")}),
        ("RS256", {**RSA.jwk, "n": text_of(b"\xfe" * 256)}),
        ("RS256", {**RSA.jwk, "n": text_of(b"\xff" * 2000)}),
        ("RS256", {**RSA.jwk, "n": "A" * 9000}),
        ("RS256", {**RSA.jwk, "n": ""}),
    ],
    ids=[
        *("none", "list", "RSA for ES256", "EC for RS256", "P-384", "no curve", "OKP", "off the curve", "zero"),
        *("beyond the field", "33 octets", "padding", "number", "letter", "1024 bits", "exponent 3", "even exponent"),
        *("even modulus", "16000 bits", "long", "empty"),
    ],
)
def test_a_key_that_proofs_may_not_be_signed_with_is_refused(algorithm: str, jwk: object) -> None:
    with pytest.raises(BadKey):
        keys.key_of(algorithm, jwk)


# --- proofs

OFFER = 'x;challenge="c";authorization="a"'


@pytest.mark.parametrize("device", [EC, RSA], ids=["ES256", "RS256"])
def test_a_proof_says_what_was_asked(device: Device) -> None:
    text = device.registration(OFFER)
    proof = proofs.parsed(text)
    assert (proof.challenge, proof.authorization, proof.audience) == ("c", "a", None)
    key = registered(text)
    assert isinstance(key, ECKey) == (device is EC)
    assert checked(device.refresh("next"), device).challenge == "next"
    assert text not in repr(proof)
    assert "c" not in repr(proof).replace("class", "").replace("Proof", "")


def test_an_audience_is_checked_if_there_is_one() -> None:
    assert registered(EC.registration(OFFER, claims={"aud": URL}))
    assert checked(EC.refresh("c", claims={"aud": URL}))
    for text in (EC.registration(OFFER, claims={"aud": URL + "/"}), EC.registration(OFFER, claims={"aud": ""})):
        with pytest.raises(ProofRefused, match="another address"):
            registered(text)
    with pytest.raises(ProofRefused, match="another address"):
        checked(EC.refresh("c", claims={"aud": "https://elsewhere.example"}))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JWT"),
        ("a.b", "no JWT"),
        ("a.b.c.d", "no JWT"),
        ("W10.e30.AA", "no JWT"),
        ("e30.e30.", "no JWT"),
        (f"{text_of(b'[' * 3000)}.e30.AA", "no JWT"),
        (EC.refresh("c") + "=", "no JWT"),
        (EC.refresh("c", header={"typ": "JWT"}), "type"),
        (EC.refresh("c", header={"typ": None}), "type"),
        (EC.refresh("c", header={"alg": "none"}, signature=b"x"), "signed with"),
        (EC.refresh("c", header={"alg": "HS256"}), "signed with"),
        (EC.refresh("c", header={"alg": "ES384"}), "signed with"),
        (EC.refresh("c", header={"alg": None}), "signed with"),
        (EC.refresh("c", header={"alg": ["ES256"]}), "signed with"),
        (EC.refresh("c", header={"crit": ["exp"]}), "demands"),
        (EC.refresh("c", claims={"jti": 1}), "jti"),
        (EC.refresh("c", claims={"authorization": {}}), "authorization"),
        (EC.refresh("c", claims={"aud": [URL]}), "aud"),
    ],
    ids=[
        *("empty", "two parts", "four parts", "lists", "no signature", "deep", "padding", "type", "no type", "none"),
        *("HS256", "ES384", "no algorithm", "algorithms", "crit", "jti", "authorization", "aud"),
    ],
)
def test_J1_what_is_no_proof_is_refused(text: str, why: str) -> None:
    with pytest.raises(ProofRefused, match=why):
        proofs.parsed(text)


def test_a_registration_has_to_bring_the_key_that_signs_it() -> None:
    with pytest.raises(ProofRefused, match="no key"):
        registered(EC.registration(OFFER, header={"jwk": None}))
    with pytest.raises(ProofRefused, match="type RSA"):
        registered(EC.registration(OFFER, header={"alg": "RS256"}))
    with pytest.raises(SignatureWrong):
        registered(EC.registration(OFFER, header={"jwk": Device().jwk}))
    for signature in (b"\x00" * 64, b"\x00" * 63, b"x", EC.sign(b"something else")):
        with pytest.raises(SignatureWrong):
            registered(EC.registration(OFFER, signature=signature))
    with pytest.raises(SignatureWrong):
        registered(RSA.registration(OFFER, signature=b"x" * 256))


def test_a_refresh_is_signed_with_the_key_that_is_kept_and_brings_none() -> None:
    with pytest.raises(ProofRefused, match="brings a key"):
        checked(EC.refresh("c", header={"jwk": EC.jwk}))
    with pytest.raises(SignatureWrong):
        checked(Device().refresh("c"))
    for signs, kept in ((RSA, EC), (EC, RSA)):
        with pytest.raises(ProofRefused, match="another algorithm"):
            checked(signs.refresh("c"), kept)
    text = EC.refresh("c")
    for part in range(3):
        parts = text.split(".")
        parts[part] = Device().refresh("d").split(".")[part] if part else text_of(b'{"typ":"dbsc+jwt","alg":"ES256" }')
        with pytest.raises(SignatureWrong):
            checked(".".join(parts))


# --- challenges


def spent(kept: str, challenge: str, now: int = NOW) -> challenges.Spent | None:
    return challenges.spent(kept, challenge, b"n" * 24, now, now + 1200)


def current(kept: str, nonce: bytes, now: int = NOW) -> challenges.Spent:
    return challenges.current(kept, nonce, now, now + 1200)


def test_a_challenge_counts_once() -> None:
    given = current(challenges.NONE, b"1" * 24)
    left = spent(given.kept, given.next)
    assert left is not None
    assert left.next != given.next
    assert spent(left.kept, given.next) is None
    assert spent(left.kept, left.next) is not None
    assert spent(left.kept, "") is None
    assert spent(challenges.NONE, given.next) is None


def test_a_challenge_ends() -> None:
    given = current(challenges.NONE, b"1" * 24)
    assert spent(given.kept, given.next, NOW + 1199) is not None
    assert spent(given.kept, given.next, NOW + 1200) is None


def test_who_asks_often_pushes_no_challenge_out() -> None:
    """The latest one is given again; an older one stays good beside it for a while."""
    given = current(challenges.NONE, b"1" * 24)
    assert current(given.kept, b"2" * 24, NOW + 500) == given
    later = current(given.kept, b"2" * 24, NOW + 700)
    assert later.next != given.next
    assert spent(later.kept, given.next, NOW + 700) is not None
    assert spent(later.kept, later.next, NOW + 700) is not None


def test_only_the_last_few_are_kept() -> None:
    kept, given = challenges.NONE, []
    for number in range(5):
        kept, latest = challenges.current(kept, bytes([number]) * 24, NOW, NOW + 1200 * 4**number)
        given.append(latest)
    assert [spent(kept, each) is not None for each in given] == [False, False, True, True, True]


def test_an_offer_is_to_one_session_as_of_one_sign_in() -> None:
    offer = challenges.offered(SECRET, "id", 7, b"n" * 24, NOW)
    assert challenges.accepts([OTHER, SECRET], "id", 7, offer, NOW)
    assert challenges.accepts([SECRET], "id", 7, offer, NOW + 299)
    assert not challenges.accepts([SECRET], "id", 7, offer, NOW + 300)
    assert not challenges.accepts([OTHER], "id", 7, offer, NOW)
    assert not challenges.accepts([], "id", 7, offer, NOW)
    assert not challenges.accepts([SECRET], "other", 7, offer, NOW)
    assert not challenges.accepts([SECRET], "id", 8, offer, NOW)
    later = challenges.offered(SECRET, "id", 7, b"n" * 24, NOW + 1)
    for wrong in (
        Offer(later.challenge, offer.authorization),
        Offer(offer.challenge, later.authorization),
        Offer(offer.challenge, ""),
        Offer("", offer.authorization),
        Offer("?", "?"),
    ):
        assert not challenges.accepts([SECRET], "id", 7, wrong, NOW)


# --- the second cookie


def test_the_second_cookie_is_good_for_one_session_and_a_while() -> None:
    value = bound_cookie.issued(SECRET, "id", NOW + 600).encode()

    def good(value: bytes, session_id: str = "id", now: int = NOW, secrets: tuple[bytes, ...] = (SECRET,)) -> bool:
        return bound_cookie.proves(secrets, [value], session_id, now)

    assert good(value)
    assert good(value, now=NOW + 599)
    assert good(value, secrets=(OTHER, SECRET))
    assert not good(value, now=NOW + 600)
    assert not good(value, "di")
    assert not good(value, secrets=(OTHER,))
    end, _, mac = value.partition(b".")
    assert not good(b"%d.%s" % (int(end) + 600, mac))
    assert not good(b"0" + value)
    for position in range(len(value)):
        altered = value[:position] + (b"A" if value[position : position + 1] != b"A" else b"B") + value[position + 1 :]
        assert not good(altered)
    for nonsense in (b"", b".", mac, value + b" ", value * 2, b"\xff", b"9" * 9000):
        assert not good(nonsense)
    assert not bound_cookie.proves([SECRET], [], "id", NOW)
    assert bound_cookie.proves([SECRET], [b"planted", value], "id", NOW)

"""Proofs of devices: those of Chromium, and each way in which one can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coatcheck.core.base64url import text_of
from coatcheck.core.dbsc import headers, proofs
from coatcheck.core.jose import keys
from coatcheck.core.jose.jwts import ProofRefused, SignatureWrong
from coatcheck.core.jose.keys import ECKey
from coatcheck.device_signatures import Signatures
from tests.dbsc.device import Device

VECTORS = [folder / "shared" / "data" / "dbsc_vectors.json" for folder in Path(__file__).parents]
VERIFIER = Signatures()
EC, RSA = Device(), Device("RS256")
URL = "https://shop.example/session/device/register"


def registered(text: str) -> keys.PublicKey:
    return proofs.registered_key(proofs.parsed(text), VERIFIER, audiences=[URL])


def checked(text: str, device: Device = EC) -> proofs.Proof:
    proof = proofs.parsed(text)
    proofs.check(proof, keys.key_of(device.algorithm, device.jwk), VERIFIER, audiences=[URL])
    return proof


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

"""Public keys of devices: which are taken, and how they are named."""

from __future__ import annotations

import pytest

from coatcheck.core.base64url import octets_of, text_of
from coatcheck.core.jose import keys
from coatcheck.core.jose.keys import BadKey
from tests.dbsc.device import Device

EC, RSA = Device(), Device("RS256")


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
        ("ES256", {**EC.jwk, "d": text_of(bytes(32))}),
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
        *(
            "beyond the field",
            "33 octets",
            "padding",
            "number",
            "letter",
            "private",
            "1024 bits",
            "exponent 3",
            "even exponent",
        ),
        *("even modulus", "16000 bits", "long", "empty"),
    ],
)
def test_a_key_that_proofs_may_not_be_signed_with_is_refused(algorithm: str, jwk: object) -> None:
    with pytest.raises(BadKey):
        keys.key_of(algorithm, jwk)

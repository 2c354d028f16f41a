"""Identity tokens: what they say, for how long, and by which keys others check them."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from coatcheck import ConfigurationError
from coatcheck.configuration.serve_options import LONGEST_TOKEN, ServeOptions
from coatcheck.serve.tokens import TYPE, IdentityTokens, identity_tokens
from tests.serve.asked import asked, cookie

if TYPE_CHECKING:
    from pathlib import Path

    from tests.serve.asked import Asked

ISSUER, SHOP = "https://gate.example.org", "https://shop.example.org"


def key_file(folder: Path, name: str, key: Any = None) -> str:
    key = key or ed25519.Ed25519PrivateKey.generate()
    path = folder / f"{name}.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(path)


def serve(*keys: str, **more: Any) -> dict[str, Any]:
    return {"token_keys": keys, "token_issuer": ISSUER, "token_audience": [SHOP], **more}


async def checked(gate: Asked, token: str, audience: str = SHOP) -> dict[str, Any]:
    """Check a token as an application does, with the keys that the gate publishes and one algorithm for each."""
    answer = await gate.request("GET", "/.well-known/jwks.json")
    keys = jwt.PyJWKSet.from_dict(answer.json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    how: Any = {"algorithms": [key.algorithm_name], "issuer": ISSUER, "options": {"require": ["exp", "iat"]}}
    return jwt.decode(token, key, audience=audience, **how)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["EdDSA", "ES256"])
async def test_J1_J2_a_token_says_who_is_signed_in_to_whom_it_is_for(kind: str, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ES256" else None
    async with asked(tmp_path, serve=serve(key_file(tmp_path, "one", key))) as gate:
        answer = await gate.ask("traefik", cookie(await gate.token("ada")))
        [token] = answer.all("x-coatcheck-token")
        [session] = await gate.sessions.list("ada")
        claims = await checked(gate, token)
        assert (claims["sub"], claims["sid"], claims["aud"], claims["iss"]) == ("ada", session.id, SHOP, ISSUER)
        assert claims["exp"] - claims["iat"] == 60
        assert jwt.get_unverified_header(token) == {"alg": kind, "typ": TYPE, "kid": claims_kid(token)}
        with pytest.raises(jwt.InvalidAudienceError):
            await checked(gate, token, "https://other.example.org")
        assert (await gate.ask("traefik")).all("x-coatcheck-token") == [""]
        assert (await gate.ask("optional/nginx")).all("x-coatcheck-token") == [""]
        # It is no session: nobody is signed in by it, nor by its id.
        for wrong in (token, session.id):
            assert (await gate.ask("traefik", cookie(wrong))).status == 401


def claims_kid(token: str) -> str:
    kid = jwt.get_unverified_header(token)["kid"]
    assert isinstance(kid, str)
    assert len(kid) == 43
    return kid


@pytest.mark.anyio
async def test_S3_the_first_key_signs_and_all_are_published(tmp_path: Path) -> None:
    """A new key is published before it signs, and the old one for as long as its tokens are good."""
    old, new = key_file(tmp_path, "old"), key_file(tmp_path, "new", ec.generate_private_key(ec.SECP256R1()))
    async with asked(tmp_path, serve=serve(old, new)) as gate:
        before = (await gate.ask("caddy", cookie(await gate.token()))).all("x-coatcheck-token")[0]
        published = (await gate.request("GET", "/.well-known/jwks.json")).json()["keys"]
        assert [key["alg"] for key in published] == ["EdDSA", "ES256"]
        assert all(not {"d", "p", "q", "k"} & key.keys() for key in published)
    async with asked(tmp_path, serve=serve(new, old)) as gate:
        after = (await gate.ask("caddy", cookie(await gate.token()))).all("x-coatcheck-token")[0]
        for token in (before, after):
            assert (await checked(gate, token))["sub"] == "ada"
    async with asked(tmp_path, serve=serve(new)) as gate:
        with pytest.raises(KeyError):
            await checked(gate, before)


@pytest.mark.anyio
async def test_J3_a_token_ends_after_minutes_and_with_its_session(tmp_path: Path) -> None:
    async with asked(tmp_path, serve=serve(key_file(tmp_path, "one"), token_lifetime="5m")) as gate:
        short = await gate.ask("nginx", cookie(await gate.token(lifetime=timedelta(seconds=30))))
        claims = await checked(gate, short.all("x-coatcheck-token")[0])
        assert 28 <= claims["exp"] - claims["iat"] <= 30
    assert timedelta(minutes=5) == LONGEST_TOKEN
    with pytest.raises(ConfigurationError, match=r"serve token_lifetime=0:05:01 is not possible"):
        ServeOptions(token_lifetime=timedelta(minutes=5, seconds=1))


@pytest.mark.anyio
async def test_a_token_may_take_the_place_of_the_client_s_own_authorization(tmp_path: Path) -> None:
    options = serve(key_file(tmp_path, "one"), token_header="Authorization", token_audience=[SHOP, "other"])
    async with asked(tmp_path, serve=options) as gate:
        answer = await gate.ask("nginx", cookie(await gate.token()), ("Authorization", "Basic forged"))
        scheme, _, token = answer.all("authorization")[0].partition(" ")
        assert scheme == "Bearer"
        assert (await checked(gate, token, "other"))["aud"] == [SHOP, "other"]
        assert (await gate.ask("nginx", ("Authorization", "Basic forged"))).all("authorization") == [""]


def test_keys_that_openssl_makes_are_keys(tmp_path: Path) -> None:
    """With the command that the messages name."""
    path = tmp_path / "identity.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True, capture_output=True)
    tokens = IdentityTokens(ServeOptions(**serve(str(path))))
    assert json.loads(tokens.key_set)["keys"][0]["crv"] == "Ed25519"


def test_S4_what_is_no_good_key_is_refused_and_never_shown(tmp_path: Path) -> None:
    good = key_file(tmp_path, "good")
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n")
    for keys, problem in {
        (str(tmp_path / "none.pem"),): r"token_keys\[0\]=.*none.pem' is not possible: it cannot be read",
        (str(broken),): r"token_keys\[0\]=.*it holds no private key",
        (key_file(tmp_path, "rsa", rsa.generate_private_key(65537, 2048)),): "it is neither P-256 nor Ed25519",
        (key_file(tmp_path, "p384", ec.generate_private_key(ec.SECP384R1())),): "it is neither P-256 nor Ed25519",
        (good, good): r"token_keys\[1\]=.*it is the key of token_keys\[0\]",
    }.items():
        with pytest.raises(ConfigurationError, match=problem) as refused:
            IdentityTokens(ServeOptions(**serve(*keys)))
        assert "hunter2" not in str(refused.value)
    assert identity_tokens(ServeOptions()) is None
    for missing in ("token_issuer", "token_audience"):
        with pytest.raises(ConfigurationError, match=f"serve {missing} is missing"):
            ServeOptions(**{**serve(good), missing: () if missing == "token_audience" else None})

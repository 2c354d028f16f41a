"""A stand-in for an OpenID provider's keys: signs anything, and can be asked for its keys, away, or wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://id.example.com"
NOW = datetime(2100, 1, 1, tzinfo=UTC)
AT = int(NOW.timestamp())
EVENT = "http://schemas.openid.net/event/backchannel-logout"

CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "web",
    "iat": AT,
    "exp": AT + 120,
    "jti": "logout-1",
    "sub": "ada",
    "sid": "login-7",
    "events": {EVENT: {}},
}

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def jwk_of(key: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    """Return the public half of a key."""
    name = {rsa.RSAPrivateKey: "RS256", ec.EllipticCurvePrivateKey: "ES256"}
    kind = next((alg for cls, alg in name.items() if isinstance(key, cls)), "EdDSA")
    public = json.loads(jwt.get_algorithm_by_name(kind).to_jwk(key.public_key()))
    public.pop("key_ops", None)
    return {**public, **({"kid": kid} if kid else {}), **more}


def token(
    key: Any = RSA,
    alg: str = "RS256",
    kid: str | None = "one",
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """Return a logout token, with these claims changed; `...` leaves one out."""
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ...}
    head = {"typ": "logout+jwt", **({"kid": kid} if kid else {}), **(header or {})}
    head = {name: value for name, value in head.items() if value is not ...}
    return jwt.PyJWS().encode(json.dumps(claims).encode(), key, algorithm=alg, headers={"typ": None, **head})


@dataclass
class Keys:
    """What the provider's two addresses answer."""

    keys: list[dict[str, Any]] = field(default_factory=lambda: [jwk_of(RSA, "one")])
    description: Any = field(default_factory=lambda: {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"})
    status: int = 200
    asked: list[str] = field(default_factory=list)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.url.path)
        said = {"keys": self.keys} if request.url.path == "/keys" else self.description
        return httpx2.Response(self.status, json=said)

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self.answer))

    def client_for_threads(self) -> httpx2.Client:
        return httpx2.Client(transport=httpx2.MockTransport(self.answer))

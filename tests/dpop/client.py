"""A client that signs its requests as RFC 9449 has it, or wrongly in one respect."""

from __future__ import annotations

import time
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any

from coatcheck.core.base64url import text_of
from coatcheck.core.jose import keys
from tests.dbsc.device import Device

if TYPE_CHECKING:
    from collections.abc import Callable

ORIGIN = "https://api.example"
_numbers = count()


class Client:
    """A key, and proofs that are made with it."""

    def __init__(self, algorithm: str = "ES256", now: Callable[[], float] = time.time) -> None:
        self.device = Device(algorithm)
        self.now = now

    @property
    def thumbprint(self) -> str:
        return keys.thumbprint(keys.key_of(self.device.algorithm, self.device.jwk))

    def proof(self, method: str, url: str, token: str | None = None, **changes: Any) -> str:
        """Return a proof; `header`, `claims`, `signature` change it, and None takes a member away."""
        ath = None if token is None else text_of(sha256(token.encode()).digest())
        claims = {"jti": f"proof-{next(_numbers)}", "htm": method, "htu": url, "iat": int(self.now()), "ath": ath}
        header = {"typ": "dpop+jwt", "jwk": self.device.jwk, **changes.pop("header", {})}
        return self.device.proof(header, {**claims, **changes.pop("claims", {})}, **changes)

    def headers(self, method: str, path: str, token: str, **changes: Any) -> list[tuple[str, str]]:
        """Return the two header lines of a request."""
        return [("authorization", f"DPoP {token}"), ("dpop", self.proof(method, ORIGIN + path, token, **changes))]

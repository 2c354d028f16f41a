"""Token Status Lists, signed and published by whoever issues tokens, and read by whoever accepts them (rule J9).

>>> from coatcheck.status_lists import StatusList, StatusListIssuer, StatusListReader
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import jwt

from coatcheck.core.refusals import refuse, refuse_secret
from coatcheck.core.status_lists import (
    INVALID,
    LARGEST,
    SUSPENDED,
    VALID,
    StatusIndices,
    StatusList,
    StatusReference,
    StatusRefused,
    reference_in,
    unpacked,
)
from coatcheck.signing_keys import signing_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = [
    "INVALID",
    "SUSPENDED",
    "VALID",
    "StatusIndices",
    "StatusList",
    "StatusListIssuer",
    "StatusListNeeded",
    "StatusListReader",
    "StatusReference",
    "StatusRefused",
]

TYPE: Final = "statuslist+jwt"

_ALGORITHMS: Final = frozenset({"ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"})
_LONGEST: Final = 32 * 1024 * 1024
_LONGEST_LIFE: Final = timedelta(days=30)
_LATEST: Final = 2**53


class StatusListIssuer:
    """Signs the status list at one address.

    Attributes:
        uri: The address, by which tokens name the list.
        public_key: The public key, as a JWK.
    """

    def __init__(
        self,
        uri: str,
        key: bytes,
        *,
        ttl: timedelta = timedelta(minutes=1),
        lifetime: timedelta = timedelta(minutes=5),
    ) -> None:
        """Take the key.

        Args:
            uri: Where the list is published, such as "https://example.com/statuslists/1".
            key: A private key, P-256 or Ed25519, in PEM and without a password.
            ttl: After how long readers look again: until then they do not hear of a revocation (rule J3).
            lifetime: How long the list is good if nothing newer can be had; not shorter than `ttl`.

        Raises:
            ConfigurationError: One of them is not possible.
        """
        if not uri.startswith("https://") and not uri.startswith("http://127.0.0.1"):
            refuse("uri", uri, "use an https address", of="status list")
        if not timedelta(seconds=1) <= ttl <= lifetime <= _LONGEST_LIFE:
            refuse(
                "ttl", ttl, f"use 1 second or more, and at most lifetime={lifetime}, at most 30 days", of="status list"
            )
        try:
            found = signing_key(key)
        except (ValueError, TypeError):  # which may quote it
            found = None
        if found is None:
            refuse_secret("key", "is no P-256 or Ed25519 key without a password in PEM", "make one: openssl genpkey …")
        self.uri = uri
        self.public_key = dict(found.public)
        self._key = found
        self._ttl, self._lifetime = ttl, lifetime

    def reference(self, index: int) -> StatusReference:
        """Return what goes into the `status` claim of the token with this index."""
        return StatusReference(self.uri, index)

    def token(self, statuses: StatusList, now: datetime) -> str:
        """Return the list as it is published: the body of an answer with the type application/statuslist+jwt.

        Args:
            statuses: The list.
            now: The time; aware.
        """
        issued = int(now.timestamp())
        claims = {
            "sub": self.uri,
            "iat": issued,
            "exp": issued + int(self._lifetime.total_seconds()),
            "ttl": int(self._ttl.total_seconds()),
            "status_list": statuses.packed(),
        }
        headers = {"typ": TYPE, "kid": self._key.public["kid"]}
        return jwt.encode(claims, self._key.private, algorithm=self._key.algorithm, headers=headers)


class StatusListNeeded(Exception):
    """The list has to be fetched, for the first time or again, and handed to `StatusListReader.add`.

    Attributes:
        uri: Its address.
    """

    def __init__(self, uri: str) -> None:
        """Keep the address."""
        super().__init__("the status list has to be fetched")
        self.uri = uri


class _Held(NamedTuple):
    statuses: StatusList
    issued: float
    due: float
    ends: float


class StatusListReader:
    """Tells the statuses of tokens by the lists that their issuer publishes. It fetches nothing: the caller does.

    try:
        status = reader.status(claims, now)
    except StatusListNeeded as needed:
        reader.add(needed.uri, (await client.get(needed.uri)).text, now)
        status = reader.status(claims, now)
    """

    def __init__(self, uris: Collection[str], keys: Collection[Mapping[str, Any]], *, largest: int = LARGEST) -> None:
        """Say whose lists count.

        Args:
            uris: The addresses of the lists. A token that names another one is refused: otherwise a token could have
                us fetch anything.
            keys: The issuer's public keys as JWKs, each with its `kid`. Only these count, each with the one algorithm
                that is its own (rule J1).
            largest: Octets to which a list may unpack.

        Raises:
            ConfigurationError: A key is none that signs lists.
        """
        self._uris = frozenset([uris] if isinstance(uris, str) else uris)
        self._keys = {str(jwk.get("kid")): _public(jwk) for jwk in keys}
        self._largest = largest
        self._held: dict[str, _Held] = {}

    def add(self, uri: str, token: str, now: datetime) -> None:
        """Take a list that was fetched from its address.

        Args:
            uri: The address that it was asked from.
            token: What was answered.
            now: When that was; aware.

        Raises:
            StatusRefused: It is not this list, not signed by the issuer, over, larger than it may be, or older than the
                one that is held: it would bring back what has been revoked since.
        """
        claims = self._verified(token)
        if uri not in self._uris or claims.get("sub") != uri:
            raise StatusRefused("it is another list")
        moment = now.timestamp()
        issued, ends, ttl = (_number(claims, name) for name in ("iat", "exp", "ttl"))
        if issued is None:
            raise StatusRefused("it does not say when it was issued")
        if (ends is not None and ends <= moment) or (ttl is not None and ttl <= 0):
            raise StatusRefused("it is over")
        held = self._held.get(uri)
        if held is not None and issued < held.issued and moment < held.ends:
            raise StatusRefused("it is older than the one that is held")
        ends = moment + _LONGEST_LIFE.total_seconds() if ends is None else ends
        due = ends if ttl is None else min(ends, moment + ttl)
        self._held[uri] = _Held(unpacked(claims.get("status_list"), largest=self._largest), issued, due, ends)

    def _verified(self, token: str) -> Mapping[str, Any]:
        if len(token) > _LONGEST:
            raise StatusRefused("it is longer than a list can be")
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.get(str(header.get("kid")))
            if header.get("typ") != TYPE or key is None or "crit" in header:
                raise StatusRefused("it is no list, or of no key of the issuer's")
            # Times are judged by the caller's clock, and `sub` by what it was asked for.
            options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_sub": False}
            claims: Mapping[str, Any] = jwt.decode(token, key, algorithms=[key.algorithm_name], options=options)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise StatusRefused("it is not signed by the issuer") from None
        return claims

    def status(self, claims: Mapping[str, Any], now: datetime, *, overdue: bool = False) -> int:
        """Return the status of a token: `VALID`, `INVALID`, `SUSPENDED` or what else its issuer says.

        Args:
            claims: The claims of the token, which was verified: its signature, its times, its audience. A token that is
                over stays so, whatever the list says.
            now: The time; aware.
            overdue: Whether a list will do that should be fetched again, because that has failed. One that is over
                never does.

        Raises:
            StatusListNeeded: The list has to be fetched first.
            StatusRefused: Nothing can be said of this token, so it is to be refused.
        """
        reference = reference_in(claims)
        if reference.uri not in self._uris:
            raise StatusRefused("the token names a list that is none of its issuer's")
        held, moment = self._held.get(reference.uri), now.timestamp()
        if held is None or moment >= (held.ends if overdue else held.due):
            raise StatusListNeeded(reference.uri)
        try:
            return held.statuses[reference.idx]
        except IndexError:
            raise StatusRefused("the list has no such index") from None


def _public(jwk: Mapping[str, Any]) -> jwt.PyJWK:
    try:
        key = jwt.PyJWK.from_dict(dict(jwk))
    except jwt.PyJWTError:
        key = None
    if key is None or key.algorithm_name not in _ALGORITHMS or not jwk.get("kid"):
        refuse("keys", jwk.get("kid"), "use public keys with a kid, of the types EC, OKP or RSA", of="status list")
    return key


def _number(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LATEST:
        raise StatusRefused(f"its {name} is no number that can be")
    return value

"""Settings of proofs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from coatcheck.core.cross_origin import normal_origin
from coatcheck.core.refusals import refuse

_OF: Final = "dpop"
_LONGEST_WINDOW: Final = timedelta(minutes=5)
_LONGEST_NONCE: Final = timedelta(hours=1)

SKEW: Final = timedelta(seconds=5)
"""By how much the clocks of two workers, or of a worker and its store, may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DPoP:
    """How clients show that they have the key that their token is bound to (RFC 9449).

    Attributes:
        origins: The addresses at which clients reach this application, such as ("https://api.example.com",). Neither
            the Host of a request nor what a proxy says of it counts: whoever has tricked a client into a proof for
            another address would write that address there.
        window: How far from now the time in a proof may be, either way: clocks of clients differ. Up to 5 minutes.
        nonces: Whether each proof must have a nonce that was given out here, so that nobody can make proofs beforehand
            and use them elsewhere; then the clocks of clients do not matter.
        nonce_ttl: How long a nonce is good, up to one hour; each answer brings the next one after half of it.
    """

    origins: tuple[str, ...]
    window: timedelta = timedelta(seconds=60)
    nonces: bool = False
    nonce_ttl: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        origins: object = self.origins
        if isinstance(origins, str) or not self.origins:
            refuse("origins", self.origins, "use a tuple, such as ('https://api.example.com',)", of=_OF)
        object.__setattr__(self, "origins", tuple(map(_origin, self.origins)))
        if not timedelta(seconds=1) <= self.window <= _LONGEST_WINDOW:
            refuse("window", self.window, "use 1 second to 5 minutes", of=_OF)
        if not timedelta(seconds=10) <= self.nonce_ttl <= _LONGEST_NONCE:
            refuse("nonce_ttl", self.nonce_ttl, "use 10 seconds to 1 hour", of=_OF)

    @property
    def life(self) -> timedelta:
        """For how long a proof has to be remembered: at least as long as it could be used, by any worker's clock."""
        return (self.nonce_ttl if self.nonces else 2 * self.window) + 2 * SKEW


def _origin(text: str) -> str:
    scheme, _, authority = text.rstrip("/").partition("://")
    normal = normal_origin(scheme, authority) if scheme.lower() in {"http", "https"} else None
    if normal is None:
        refuse("origins", text, "use a scheme and a host, such as 'https://api.example.com'", of=_OF)
    return normal

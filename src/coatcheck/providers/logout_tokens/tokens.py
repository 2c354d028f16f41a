# Generated from providers/logout_tokens/async_tokens.py by tools/generate_sync.py: edit that, run `make generate`.
"""Logout tokens for threads. The ones for threads are generated from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.clock import SystemClock
from coatcheck.core.refusals import refuse
from coatcheck.core.times import from_micros
from coatcheck.providers.logout_tokens.claims import LogoutRefused, logout_of
from coatcheck.providers.logout_tokens.keys import ProviderKeys
from coatcheck.providers.logout_tokens.signatures import ALGORITHMS, checked_algorithms, claimed, verified

if TYPE_CHECKING:
    from collections.abc import Collection

    import httpx2

    from coatcheck.clock import Clock
    from coatcheck.providers.base import HTTPSettings
    from coatcheck.providers.exchange import Exchange
    from coatcheck.providers.logout_tokens.claims import Logout


class LogoutTokens:
    """Validates logout tokens (OpenID Connect Back-Channel Logout 1.0 section 2.6), all but whether one came before."""

    def __init__(
        self,
        issuer: str,
        client_id: str | Collection[str],
        *,
        jwks_url: str | None = None,
        algorithms: Collection[str] = ALGORITHMS,
        settings: HTTPSettings | None = None,
        client: httpx2.Client | Exchange | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Name the provider; nothing is connected yet.

        Args:
            issuer: Its issuer, exactly as it writes it.
            client_id: The id, or the ids, under which it knows whose logouts we are told of.
            jwks_url: Where its keys are; by default where its description says.
            algorithms: Which signatures are accepted.
            settings: How it is asked for its keys.
            client: A client of the application; it is not closed here.
            clock: Where the time comes from; for tests.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        self.issuer = issuer
        self._clients = frozenset([client_id] if isinstance(client_id, str) else client_id)
        if not self._clients or "" in self._clients:
            refuse("client_id", client_id, "use the id under which the provider knows the client", of="logout tokens")
        self._algorithms = checked_algorithms(algorithms)
        self._clock = clock or SystemClock()
        self._keys = ProviderKeys(issuer, jwks_url, settings=settings, client=client, clock=clock)

    def forked(self) -> None:
        """Drop what belongs to the parent process."""
        self._keys.forked()

    def close(self) -> None:
        """Close every connection."""
        self._keys.close()

    def validate(self, token: str) -> Logout:
        """Return what a logout token tells.

        Raises:
            LogoutRefused: It is not from this provider, not for us, or no logout token.
            Unavailable: The keys could not be read, so nobody knows; the sender should send it again.
        """
        wanted = claimed(token, self._algorithms)
        found = verified(token, self._keys.fitting(wanted), wanted)
        if found is None:
            # Perhaps its key has the name of an older one, or none: then only a new look can tell.
            found = verified(token, self._keys.renewed(wanted), wanted)
        if found is None:
            raise LogoutRefused("no key of the provider has signed it")
        header, claims = found
        now = from_micros(self._clock.now() // 1000)
        return logout_of(header, claims, issuer=self.issuer, clients=self._clients, now=now)

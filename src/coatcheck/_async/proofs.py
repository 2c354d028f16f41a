"""Proofs that clients have the key of their token (RFC 9449): checked, and used once."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from coatcheck._async.devices import verifier_for
from coatcheck.core.dpop import nonces, proofs
from coatcheck.core.jose.jwts import ProofRefused
from coatcheck.core.refusals import refuse, refuse_secret
from coatcheck.core.times import duration_micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck._async.sessions import AsyncSessions
    from coatcheck.core.dpop.proofs import Asked, Proof
    from coatcheck.core.dpop.settings import DPoP
    from coatcheck.stores.async_protocol import AsyncSpends


class AsyncProofs:
    """Judges proofs, for the sessions of one store.

    Attributes:
        settings: The settings.
    """

    def __init__(self, sessions: AsyncSessions, settings: DPoP) -> None:
        """Wire them.

        Args:
            sessions: Whose store remembers what was used, and whose clock and keys count.
            settings: The settings.

        Raises:
            ConfigurationError: The store, the keys or the installation do not allow it.
        """
        if not sessions.store.capabilities.spends:
            kind = type(sessions.store).__name__
            refuse("dpop", kind, "with this store a proof could count twice; use SQLite, PostgreSQL, Valkey or D1")
        self._secrets = sessions.secrets(nonces.CONTEXT)
        if settings.nonces and not self._secrets:
            refuse_secret("keys", "are missing", "nonces are signed: give the sessions keys=")
        self.settings = settings
        self._verifier = verifier_for("dpop", "dpop")
        self._store = cast("AsyncSpends", sessions.store)
        self._log = sessions.tiers.log

    async def check(self, lines: Sequence[bytes], asked: Asked) -> Proof:
        """Check the proof of a request and use it up: of any number of requests with it, one gets past here (rule S7).

        Args:
            lines: The values of its DPoP header, one for each line.
            asked: The request.

        Raises:
            ProofRefused: It does not count.
            Unavailable: The store did not answer.
        """
        proof = proofs.checked(lines, asked, self.settings, self._verifier, secrets=self._secrets, now=self._now())
        if not await self._store.spend(proof.used, duration_micros(self.settings.life)):
            raise ProofRefused("it was used before")
        return proof

    def nonce(self, age: int | None) -> str | None:
        """Return the nonce for a client's next proof; None if it needs none, or has one that is good for long enough.

        Args:
            age: How many seconds ago the one was given out that it has; None for none.
        """
        enough = age is not None and age * 2 <= self.settings.nonce_ttl.total_seconds()
        return nonces.issued(self._secrets[0], self._now()) if self.settings.nonces and not enough else None

    def _now(self) -> int:
        return self._log.best_now() // 1_000_000_000

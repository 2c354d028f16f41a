# Generated from _async/access_tokens.py by tools/generate_sync.py: edit that, run `make generate`.
"""Access tokens: signed, good for minutes, and dead as soon as the grant behind them is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from coatcheck._sync.cached_reads import CachedReads
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.local_cache import key_of
from coatcheck.core.refusals import refuse, refuse_secret
from coatcheck.core.session import NEVER, Session
from coatcheck.core.session_copies import SessionCopies
from coatcheck.core.times import duration_micros
from coatcheck.core.tokens import Token
from coatcheck.fork import after_fork

if TYPE_CHECKING:
    from coatcheck._sync.kindred import Kindred
    from coatcheck.stores.base import Reading

PURPOSE: Final = "access"
_LONGEST: Final = timedelta(hours=1)
_ID: Final = 22
_MOST: Final = 160


class AccessTokens:
    """Tokens that name a grant and an end, under a signature of the configured keys.

    The signature only spares the store the look at what was made up. Whether the grant is there, its row says, which
    is kept in memory as sessions are and outdated by the same log (rule J3): no such token outlives its grant.
    """

    def __init__(self, grants: Kindred, *, prefix: str, lifetime: timedelta) -> None:
        """Wire them.

        Args:
            grants: The rows behind them.
            prefix: What each begins with.
            lifetime: How long each is good.

        Raises:
            ConfigurationError: There are no keys, or the lifetime is longer than an hour.
        """
        if not timedelta(seconds=1) <= lifetime <= _LONGEST:
            refuse("access_lifetime", lifetime, "use one second to one hour, such as timedelta(minutes=10)")
        ring = grants.tiers.ring(PURPOSE)
        if ring is None:
            refuse_secret("keys", "are missing", "access tokens are signed: give the sessions keys=")
        tiers = grants.tiers
        self._ring = ring
        self._begin = f"{prefix}_"
        self._lifetime = duration_micros(lifetime)
        self._grants = grants
        self._log = tiers.log
        self._store = tiers.store
        self._copies = SessionCopies(
            grants.cache_settings,
            touch_every=NEVER,
            shared_ttl=tiers.shared_settings.ttl_ns,
            secrets=tiers.secrets(PURPOSE),
        )
        self._reads: CachedReads[bytes, Reading] = CachedReads(
            tiers.log,
            self._copies,
            unchanged=tiers.store.unchanged,
            clock=tiers.clock,
            on_use=_not_noted,
            shared=tiers.shared,
        )
        after_fork(self)

    def forked(self) -> None:
        """Drop what belongs to the parent process."""
        self._reads.forked()

    def issued(self, grant_id: str) -> Token:
        """Return a token for a grant, which is good from now on."""
        end = (self._log.best_now() // 1000 + self._lifetime) // 1_000_000
        return Token(self._begin + self._ring.sign(f"{grant_id}{end:09x}"))

    def claimed_by(self, presented: bytes) -> bool:
        """Tell whether a value has the prefix."""
        return presented.startswith(self._begin.encode())

    def lookup(self, presented: bytes) -> Session | None:
        """Answer from memory, at once; None says nothing."""
        copy = self._reads.lookup(key_of(presented))
        return None if copy is None else Session(copy)

    def get(self, presented: bytes) -> Session | NotSignedIn:
        """Validate a token: the grant behind it, which as seen here ends with it.

        Raises:
            Unavailable: Nobody can tell: the store did not answer.
        """
        key = key_of(presented)
        if (copy := self._reads.lookup(key)) is not None:
            return Session(copy)
        named = self.named(presented)
        if isinstance(named, NotSignedIn):
            return named
        grant_id, end = named
        answer, _ = self._reads.get(key, lambda _: self._read(grant_id, end))
        return Session(answer) if isinstance(answer, bytes) else self._judged(answer)

    def named(self, presented: bytes) -> tuple[str, int] | NotSignedIn:
        """Return which grant a token names, and when the token ends (microseconds), once its signature is right.

        What is over is EXPIRED without a look into the store, so that no old token keeps it busy.
        """
        if not presented:
            return NotSignedIn.NO_TOKEN
        text = presented.decode("ascii", "replace")
        if len(text) > _MOST or not text.startswith(self._begin):
            return NotSignedIn.MALFORMED
        verified = self._ring.verify(text.removeprefix(self._begin))
        if verified is None:
            return NotSignedIn.MALFORMED
        grant_id, end = verified.token[:_ID], int(verified.token[_ID:], 16) * 1_000_000
        return NotSignedIn.EXPIRED if self._is_over(end) else (grant_id, end)

    def _is_over(self, end: int) -> bool:
        """Tell whether a token has ended by the store's clock, as far as that is known here."""
        return self._log.proof_sent is not None and self._log.now() >= end * 1000

    def _read(self, grant_id: str, end: int) -> Reading:
        reading = self._grants.with_user(self._store.find(grant_id))
        record = reading.record
        if record is None:
            return reading
        return reading._replace(record=record._replace(expires_at=min(end, record.ends_at())))

    def _judged(self, reading: Reading) -> Session | NotSignedIn:
        record = reading.record
        if record is None:
            return NotSignedIn.UNKNOWN
        if reading.now >= record.ends_at() * 1000:
            return NotSignedIn.EXPIRED
        return Session(self._copies.copy_of(reading, record, self._copies.ttl))


def _not_noted(_key: bytes, _copy: bytes, _now: int) -> None:
    """Note nothing: a refresh says that a grant is in use."""

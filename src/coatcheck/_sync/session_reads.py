# Generated from _async/session_reads.py by tools/generate_sync.py: edit that, run `make generate`.
"""Validating: from memory, from the shared cache, or from the store, and never against the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck._sync.session_base import SessionBase
from coatcheck.core.answers import NotSignedIn, Validated
from coatcheck.core.credentials import presented_bytes
from coatcheck.core.local_cache import KEY_SIZE, key_hash, key_of
from coatcheck.core.session import STAMP, Session, copy_in

if TYPE_CHECKING:
    from coatcheck.core.answers import Source
    from coatcheck.core.tokens import Token
    from coatcheck.stores.base import Reading

_new = object.__new__


class SessionReads(SessionBase):
    """The sessions of those who present a token."""

    def get(self, token: str | bytes | Token | None, *, connection: Any = None) -> Session | NotSignedIn:
        """Validate a token.

        Returns:
            The session, or why nobody is signed in.

        Raises:
            Unavailable: Nobody can tell: the store did not answer.
        """
        presented = token if type(token) is bytes else presented_bytes(token)
        if connection is None:
            copy = self._reads.lookup(key_hash(presented).digest()[:KEY_SIZE])
            if copy is None:
                return (self.ask(presented)).answer
            session = _new(Session)
            session._copy = copy  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            return session
        token_hash = self._credentials.hash_of(presented)
        if isinstance(token_hash, NotSignedIn):
            return token_hash
        reading = self._with_user(self.store.read(token_hash, connection=connection))
        self._noticed(token_hash, reading, connection)
        return self._judged(reading, None)

    def ask(self, token: bytes) -> Validated:
        """Validate a token that `lookup` had no answer for, and say which tier answered in the end.

        It is the memory, when a look at the log was all that was missing, and none for a token that cannot be ours.

        Raises:
            Unavailable: Nobody can tell: the store did not answer.
        """
        token_hash = self._credentials.hash_of(token)
        if isinstance(token_hash, NotSignedIn):
            return Validated(token_hash, None)
        key = key_of(token)
        if self._ahead.able and self._ahead.is_due(in_memory=self._reads.cache.get(key) is not None):
            ahead = self._ahead.read(token_hash)
            if ahead is not None:
                reading = self._with_user(ahead)
                self._reads.keep_here(key, reading)  # whoever needs it has to ask the log anyway
                return self._validated(token, token_hash, reading)
        nearby = (lambda: self._read_nearby(token_hash)) if self.store.capabilities.replica else None
        answer, source = self._reads.get(key, lambda _: self._read(token_hash), nearby)
        if isinstance(answer, bytes):
            return Validated(Session(answer), source)
        return self._validated(token, token_hash, answer, source)

    def _validated(self, token: bytes, token_hash: bytes, reading: Reading, source: Source = "store") -> Validated:
        self._noticed(token_hash, reading)
        answer = self._judged(reading, token)
        return Validated(answer, source, due=bool(answer) and self._copies.is_due(reading))

    def of_hash(self, token_hash: bytes, *, connection: Any = None) -> Session | None:
        """Return the live session with this token hash, which may be of a token that is no session's elsewhere.

        Raises:
            Unavailable: The store did not answer.
        """
        reading = self._with_user(self.store.read(token_hash, connection=connection))
        return self._judged(reading, None) or None

    def _noticed(self, token_hash: bytes, reading: Reading, connection: Any = None) -> None:
        """Act on the use of a retired token after its grace (rule L17); the store sees to it that it is done once."""
        retired, store = reading.retired, self._retires
        if retired is None or store is None or reading.now < retired.until * 1000:
            return
        end = self.policy.on_reuse == "end"
        ended = store.reuse(token_hash, end=end, connection=connection)
        if ended is None:
            return
        if end:
            self.tiers.changed(connection)
        self._events.emit("reused", ended.id, ended.user_id, "ended" if end else "", actor_id=ended.actor_id)

    def _read(self, token_hash: bytes) -> Reading:
        return self._with_user(self.store.read(token_hash))

    def _read_nearby(self, token_hash: bytes) -> Reading | None:
        reading = self.store.read_nearby(token_hash)
        if reading is None:
            return None
        # Expiry is judged by the authority's clock, and a replica's host has another one.
        return (self._with_user(reading))._replace(now=self._log.now())

    def _judged(self, reading: Reading, presented: bytes | None) -> Session | NotSignedIn:
        record = reading.record
        if record is None:
            return NotSignedIn.UNKNOWN
        if reading.now >= record.ends_at() * 1000:
            return NotSignedIn.EXPIRED
        copy = self._copies.copy_of(reading, record, self._copies.ttl)
        if presented is not None and reading.now >= STAMP.unpack_from(copy)[2]:
            self._touches.note(key_of(presented), copy, reading.now)
        return Session(copy)

    def recheck(self, session: Session, presented: bytes = b"") -> Session | NotSignedIn:  # noqa: ARG002
        """Validate again a session that was read earlier, such as the one of an open WebSocket.

        Args:
            session: The session.
            presented: Its token then, by which others are asked; here it may have got another since.

        Returns:
            The session itself if the log proves that nothing has changed; otherwise what the store says.

        Raises:
            Unavailable: The store did not answer.
        """
        self._log.prove()
        if self._reads.admits(b"", copy_in(session)):
            return session
        reading = self._with_user(self.store.find(session.id))
        return self._judged(reading, None)

# Generated from _async/sealed_slots.py by tools/generate_sync.py: edit that, run `make generate`.
"""Secrets of others that a session keeps on the server: put, read, removed, and renewed once for all who need them."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from hashlib import sha256
from secrets import token_bytes
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from coatcheck._sync._pair import Flights, sleep
from coatcheck.core import slots
from coatcheck.core.answers import LoaderFailed
from coatcheck.core.refusals import refuse, refuse_secret
from coatcheck.core.session import sealed_in
from coatcheck.core.slots import Secret, Slot
from coatcheck.core.times import duration_micros
from coatcheck.errors import ConfigurationError, Unavailable
from coatcheck.fork import after_fork
from coatcheck.stores.base import SessionChange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from coatcheck._sync.sessions import Sessions
    from coatcheck.core.session import Record, Session
    from coatcheck.stores.protocol import Spends

_log = logging.getLogger("coatcheck")

_LONGEST_LEASE = timedelta(minutes=5)
_PAUSE = 0.05
_SPENT = b"coatcheck slot renewal 1"


class SealedSlots:
    """Slots for secrets in the sessions of one store.

    A slot begins and ends with its session, and stays when the session gets another token. It is in no listing, no
    answer and no `session.data`, and in the store and in every cache only sealed (rule J5).
    """

    def __init__(self, sessions: Sessions, *, lease: timedelta = timedelta(seconds=10)) -> None:
        """Wire them.

        Args:
            sessions: The sessions; their `keys` seal, the first of them, and open, all of them (rule S3).
            lease: How long one process may take to renew a secret before another one tries.

        Raises:
            ConfigurationError: There are no keys, or `cryptography` is not installed, or the lease is out of bounds.
        """
        self._keys = sessions.secrets(slots.CONTEXT)
        if not self._keys:
            refuse_secret("keys", "are missing", "slots are sealed with them: give the sessions keys=")
        if not timedelta(0) < lease <= _LONGEST_LEASE:
            refuse("lease", lease, "use more than zero and at most 5 minutes", of="slots")
        self._cipher = _cipher()
        self._sessions = sessions
        self._store = sessions.store
        self._lease = lease
        self._flights: Flights[Slot, Secret] = Flights(2 * lease.total_seconds())
        after_fork(self)

    def forked(self) -> None:
        """Forget what the parent process has under way."""
        self._flights = Flights(2 * self._lease.total_seconds())

    # --- putting, reading, removing

    def put(
        self, session: Session, name: str, secret: Any, *, expires_at: datetime | None = None, connection: Any = None
    ) -> bool:
        """Put a secret into a slot, in the place of what is there; returns whether the session is alive still.

        The session that was handed in is as it was read; the next reading has the secret.

        Args:
            session: Whose slot.
            name: What for, such as "google": letters, digits, and "_.-".
            secret: JSON, such as a text or `{"access_token": …, "refresh_token": …}`.
            expires_at: When it ends; aware.
            connection: The caller's own connection, inside a transaction.

        Raises:
            DataError: It is not JSON, or with it the session's data are larger than `policy.max_data_bytes`.
            Unavailable: The store did not answer.
        """
        slot = Slot(session.id, name)
        changes = {slots.key_of(name): self._sealed(slot, Secret(secret, expires_at))}
        return self._save(session.id, changes, connection=connection) is not None

    def _sealed(self, slot: Slot, secret: Secret) -> str:
        return slots.sealed(slot, secret, self._cipher, self._keys[0], token_bytes(slots.NONCE))

    def remove(self, session: Session, name: str, *, connection: Any = None) -> bool:
        """Empty a slot; returns whether the session is alive still.

        Raises:
            Unavailable: The store did not answer.
        """
        return self._save(session.id, remove=(slots.key_of(name),), connection=connection) is not None

    def _save(
        self,
        session_id: str,
        changes: Mapping[str, str] = MappingProxyType({}),
        *,
        remove: tuple[str, ...] = (),
        expected: Mapping[str, str] = MappingProxyType({}),
        connection: Any = None,
    ) -> Record | None:
        change = SessionChange(session_id, changes, remove, self._sessions.policy.max_data_bytes, expected)
        record = self._store.save(change, connection=connection)
        if record is not None:
            self._sessions.tiers.changed(connection)
        return record

    def get(self, session: Session, name: str) -> Secret | None:
        """Return what a slot held when the session was read; asks nobody.

        Returns:
            The secret, also one that is over: see `fresh`. None for an empty slot, and for one whose seal is broken or
            of a key that is gone; of that the log is told.
        """
        text = sealed_in(session, slots.key_of(name))
        if text is None:
            return None
        secret = slots.opened(Slot(session.id, name), text, self._cipher, self._keys)
        if secret is None:
            _log.warning("coatcheck.seal_broken", extra={"session_id": session.id, "slot": name})
        return secret

    # --- renewing

    def fresh(
        self,
        session: Session,
        name: str,
        renew: Callable[[Secret], Secret],
        *,
        before: timedelta = timedelta(seconds=30),
    ) -> Secret | None:
        """Return a secret that is not about to end: if it is, it is renewed once, however many ask for it.

        In this process one call of `renew` serves all; of several processes one calls it, and the others wait for what
        it puts into the slot. When it fails or has died, the next one tries. Where the slot was emptied or filled anew
        meanwhile, that stays so, and what was renewed is thrown away.

        Args:
            session: Whose slot.
            name: What for.
            renew: Gets the old secret and returns the new one, such as by a refresh token (RFC 6749 section 6).
            before: How long before its end a secret is renewed.

        Returns:
            The secret; None for an empty slot, and when the session has ended meanwhile.

        Raises:
            Unavailable: The store did not answer, or nobody has renewed it in time.
        """
        secret = self.get(session, name)
        if secret is None or not secret.ends_within(before, self._sessions.now()):
            return secret
        slot = Slot(session.id, name)
        while (flight := self._flights.claim(slot)) is not None:
            shared = self._shared(flight)
            if shared is not None:
                return shared
        result: Secret | Unavailable | LoaderFailed | None = None
        try:
            result = renewed = self._renewed(slot, renew, before)
        except Unavailable as unavailable:
            result = unavailable
            raise
        except Exception as error:
            result = LoaderFailed(error)
            raise
        finally:
            self._flights.end(slot, result)
        return renewed

    def _shared(self, flight: Any) -> Secret | None:
        try:
            return self._flights.wait(flight)
        except LoaderFailed as failed:
            raise failed.error from failed

    def _renewed(self, slot: Slot, renew: Callable[[Secret], Secret], before: timedelta) -> Secret | None:
        """Renew a secret unless another process has, or is about to."""
        rounds = 2 * self._lease.total_seconds() / _PAUSE
        while rounds > 0:
            session = self._sessions.find(slot.session_id)
            text = None if session is None else sealed_in(session, slots.key_of(slot.name))
            old = None if session is None else self.get(session, slot.name)
            if session is None or text is None or old is None or not old.ends_within(before, self._sessions.now()):
                return old
            if self._is_first(slot, text):
                new = self._tried(slot, text, old, renew)
                if self._keep(slot, text, new):
                    return new
            else:
                sleep(_PAUSE)
            rounds -= 1
        msg = "no process has renewed the secret in time"
        raise Unavailable(msg)

    def _tried(self, slot: Slot, text: str, old: Secret, renew: Callable[[Secret], Secret]) -> Secret:
        try:
            return renew(old)
        except BaseException:
            self._keep(slot, text, old)  # under another seal: so the lease is over, and the next one may try
            raise

    def _keep(self, slot: Slot, text: str, secret: Secret) -> bool:
        """Put a secret in the place of what stood there before; False when the slot was emptied or filled meanwhile."""
        key, sealed = slots.key_of(slot.name), self._sealed(slot, secret)
        record = self._save(slot.session_id, {key: sealed}, expected={key: text})
        return record is not None and json.loads(record.data).get(key) == sealed

    def _is_first(self, slot: Slot, text: str) -> bool:
        """Tell whether this process is to renew what stands in a slot: one is, for a lease."""
        if not self._store.capabilities.spends:
            return True
        name = sha256(_SPENT + slot.associated + text.encode()).digest()
        return cast("Spends", self._store).spend(name, duration_micros(self._lease))


def _cipher() -> slots.Cipher:
    try:
        from coatcheck.slot_cipher import AES256GCM  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        msg = "sealed slots need the package cryptography; install coatcheck[sealed]"
        raise ConfigurationError(msg) from error
    return AES256GCM()

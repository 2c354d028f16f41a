"""The import itself: each session is marked as taken, then created here.

In this order a process that is killed in between, or gets no answer, loses one session, whose user signs in again. In
the other it would leave one that is taken a second time, after it may have ended here (I3).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from coatcheck.core.drafts import data_json, new_record
from coatcheck.core.imported import imported_hash
from coatcheck.core.times import to_micros
from coatcheck.errors import DataError
from coatcheck.importing.found import LeftOut, Why
from coatcheck.stores.base import Full, NewSession

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from coatcheck.core.policy import Policy
    from coatcheck.core.session import Record
    from coatcheck.core.tokens import TokenHash
    from coatcheck.importing.found import Content, Source, Stored
    from coatcheck.importing.readers import Options, Reader
    from coatcheck.stores.protocol import Store

_SHORTEST = timedelta(seconds=1)
_NOBODYS = bytes(32)


@dataclass
class Outcome:
    """What came of an import.

    Attributes:
        imported: How many sessions were brought here.
        signed_in: How many of these are a user's.
        left: How many were left out, by the reason.
    """

    imported: int = 0
    signed_in: int = 0
    left: Counter[Why] = field(default_factory=Counter[Why])

    @property
    def seen(self) -> int:
        """How many sessions were looked at."""
        return self.imported + self.left.total()


class Importer:
    """Brings the sessions of one source into a store, as they would be if they had begun there."""

    def __init__(
        self, source: Source, reader: Reader, options: Options, *, policy: Policy, token_hash: TokenHash
    ) -> None:
        """Keep where they come from, and how they are to be."""
        self._source = source
        self._reader = reader
        self._options = options
        self._policy = policy
        self._token_hash = token_hash

    def run(
        self, store: Store, *, batch: int, dry: bool = False, progress: Callable[[int], object] | None = None
    ) -> Outcome:
        """Import all that is there.

        Args:
            store: Our store, open.
            batch: How many sessions are read at a time.
            dry: Whether nothing is to be written, neither here nor there.
            progress: Called after each batch with the number of sessions looked at so far.

        Raises:
            Unavailable: One of the stores did not answer. What was imported until then stays, and the import can be
                run again.
        """
        outcome = Outcome()
        for stored in self._source.stored(batch):
            try:
                token_hash, record = self._read(stored, store)
                if not dry:
                    self._bring(stored, token_hash, record, store)
            except LeftOut as left:
                outcome.left[left.why] += 1
            else:
                outcome.imported += 1
                outcome.signed_in += record.user_id is not None
            if progress is not None and outcome.seen % batch == 0:
                progress(outcome.seen)
        return outcome

    def _read(self, stored: Stored, store: Store) -> tuple[bytes, Record]:
        """Return hash and record of a session.

        Raises:
            LeftOut: It cannot be taken, or was.
        """
        content = self._reader(stored, self._options)
        if not content.data and content.user_id is None:
            raise LeftOut(Why.EMPTY)
        if self._source.is_taken(stored):
            raise LeftOut(Why.ALREADY)
        # Not found, which costs a look at the store; but by its clock the session will be judged.
        now = store.read(_NOBODYS).now
        try:
            record = record_of(content, self._policy, now // 1000)
        except DataError:
            raise LeftOut(Why.NO_JSON) from None
        return self._hash_of(stored, content), record

    def _hash_of(self, stored: Stored, content: Content) -> bytes:
        if content.token is None:
            return self._token_hash.of_digest(stored.digest or b"")
        return imported_hash(self._token_hash, content.token)

    def _bring(self, stored: Stored, token_hash: bytes, record: Record, store: Store) -> None:
        if not self._source.take(stored):
            raise LeftOut(Why.ALREADY)
        # Refused where the limit is reached: an import that evicts would do it again with each run.
        new = NewSession(token_hash, record, self._policy.limit_for(record.user_id), "refuse")
        try:
            store.create(new)
        except Full:
            self._source.give_back(stored)
            raise LeftOut(Why.FULL) from None
        except DataError:
            self._source.give_back(stored)
            raise LeftOut(Why.REFUSED) from None


def record_of(content: Content, policy: Policy, now: int) -> Record:
    """Return the record of a session that is imported now (microseconds since the epoch).

    Unused, it ends when it would have ended there; used, it lives by the policy, from now on. When its user has proved
    who they are is not known, so a view that needs it recently asks again (rule A1).

    Raises:
        LeftOut: It has ended.
        DataError: Its data is no JSON, or too large.
    """
    record = new_record(
        content.user_id,
        now,
        remember=content.remember,
        idle=policy.idle_for(remember=content.remember),
        lifetime=policy.lifetime_for(remember=content.remember),
        ip=None,
        user_agent=None,
        data=data_json(content.data, policy.max_data_bytes),
    )._replace(authenticated_at=None)
    return record if content.ends is None else _ending(record, content.ends, now)


def _ending(record: Record, ends: datetime, now: int) -> Record:
    micros = to_micros(ends)
    if micros - now < _SHORTEST // timedelta(microseconds=1):
        raise LeftOut(Why.EXPIRED)
    latest = None if record.expires_at is None else max(record.expires_at, micros)
    return record._replace(idle_expires_at=micros, expires_at=latest)

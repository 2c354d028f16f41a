"""The KV store. There is none for threads: a Worker has none.

What each key holds, behind the prefix and the tenant:

    t:<token hash>          the id of its session; written by creating and rotating only
    s:<id>                  the session, and which token hash leads to it
    u:<user>:<id>           nothing: it is there to be listed
    x:<id>                  that the session has ended

So a touch or a change of data that comes late, as KV's may come by a minute, can write a session again that has ended,
and it is refused all the same: its token leads nowhere, and `x` says that it has ended for as long as it could live.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from coatcheck.clock import SystemClock
from coatcheck.core.coherence import LogPage
from coatcheck.errors import ConfigurationError, DataError
from coatcheck.kv_namespaces import LARGEST, Namespace
from coatcheck.stores.base import SESSION, Capabilities, CreateResult, Ended, Reading, Vitals, ended_as
from coatcheck.stores.kv.rows import Stored, decoded, encoded, name_of
from coatcheck.stores.operations import carried, given_times, merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from coatcheck.clock import Clock
    from coatcheck.core.session import Record
    from coatcheck.stores.base import NewSession, Rotation, Selection, SessionChange, Touch

_LONGEST: Final = 400 * 86_400_000_000
"""For so many microseconds a session without an absolute end can be found: as long as a browser keeps its cookie."""

_SECOND: Final = 1_000_000
_AT_ONCE: Final = 50


class AsyncKVStore:
    """Sessions in a KV namespace alone: eventual, with no more than what that allows.

    A change is seen by the next request in the same place, and elsewhere after up to 60 seconds, as Cloudflare says;
    so long a revoked session can be accepted, and nobody can promise less or exactly that. There are no limits, no
    transactions and no invalidation log. Where that is not enough, D1 keeps the sessions and KV copies of them.
    """

    capabilities = Capabilities(
        transactions=False,
        exact_limits=False,
        listing=True,
        log=False,
        users_table=False,
        notices_changes=False,
        eventual=True,
    )

    def __init__(
        self, namespace: Any, *, prefix: str = "coatcheck", tenant: str | None = None, clock: Clock | None = None
    ) -> None:
        """Take the binding; nothing is asked yet.

        Args:
            namespace: The binding: `env.SESSIONS`.
            prefix: What all keys begin with, so that a namespace can be shared.
            tenant: Whose sessions they are; no key of one tenant can reach another's.
            clock: Where the time comes from; for tests.

        Raises:
            ConfigurationError: It is no KV binding, or the prefix or the tenant is not possible.
        """
        if tenant is not None and not tenant:
            msg = "tenant='' is not possible: use a name, or None for no tenant"
            raise ConfigurationError(msg)
        part = "" if tenant is None else _hashed(tenant)
        self._kv = Namespace(namespace, prefix=f"{prefix}:{part}:")
        self._clock = clock or SystemClock()

    @property
    def calls(self) -> list[str]:
        """The names of all calls of the binding so far."""
        return self._kv.calls

    async def open(self) -> None:
        """Find out whether KV answers.

        Raises:
            Unavailable: It does not.
        """
        await self._kv.get("ping")

    async def aclose(self) -> None:
        """Do nothing: a binding has no connection to close."""

    async def migrate(self) -> Sequence[str]:
        """Do nothing: there are no tables."""
        return ()

    async def problems(self) -> Sequence[str]:
        """Find nothing: a namespace has no settings."""
        return ()

    def vitals(self) -> Vitals:
        """Tell nothing: there are no connections."""
        return Vitals()

    def unchanged(self, cursor: Any) -> bool:  # noqa: ARG002 - nothing is cached
        """Say so: nothing is cached."""
        return True

    async def news(self, seen: int, seconds: float) -> int:
        """Wait the time given: nobody tells of changes."""
        await asyncio.sleep(seconds)
        return seen

    async def poll(self, cursor: Any) -> LogPage:  # noqa: ARG002 - there is no log
        """Return an empty page: there is no log, and nothing that it would have to outdate."""
        return LogPage("", 0, (), "", self._clock.now(), resumed=True, as_of=0)

    # --- reading

    async def read(self, token_hash: bytes, *, connection: Any = None) -> Reading:
        """Read the session with this token hash; it must not be cached."""
        _refuse(connection)
        stored = await self._by_token(token_hash)
        return self._reading(stored)

    async def read_nearby(self, token_hash: bytes) -> Reading | None:  # noqa: ARG002 - every reading is from nearby
        """Have no answer: every reading is from nearby."""
        return None

    async def find(self, session_id: str) -> Reading:
        """Read a session by its public id."""
        return self._reading(await self._by_id(session_id))

    def _reading(self, stored: Stored | None) -> Reading:
        return Reading("", 0, self._clock.now(), None if stored is None else stored.record)

    async def list_sessions(
        self,
        user_id: str | None,
        limit: int,
        *,
        kind: str = SESSION,  # noqa: ARG002 - there is no other here
        connection: Any = None,
    ) -> Sequence[Record]:
        """List a user's live sessions, newest first; for None those of all users, latest activity first.

        It reads every session that may be among them, and may miss one of the last minute.
        """
        _refuse(connection)
        alive = [record for record in await self._listed(user_id) if self._alive(record)]
        if user_id is None:
            return sorted(alive, key=lambda record: (record.last_seen_at, record.id), reverse=True)[:limit]
        return sorted(alive, key=lambda record: (record.created_at, record.id), reverse=True)[:limit]

    async def _listed(self, user_id: str | None) -> list[Record]:
        found = await self._kv.keys("u:" if user_id is None else f"u:{_owner(user_id)}:")
        ids = [key.rpartition(":")[2] for key in found]
        records: list[Record] = []
        for start in range(0, len(ids), _AT_ONCE):
            stored = await asyncio.gather(*(self._by_id(session_id) for session_id in ids[start : start + _AT_ONCE]))
            records += [each.record for each in stored if each is not None]
        # By the record, and not by the key alone: the user's name is only hashed there.
        return [record for record in records if user_id is None or record.user_id == user_id]

    async def _by_token(self, token_hash: bytes) -> Stored | None:
        pointer = await self._kv.get(_token(token_hash)) if token_hash else None
        if pointer is None:
            return None
        stored = await self._by_id(pointer.decode("utf-8", "replace"))
        return stored if stored is not None and stored.token == name_of(token_hash) else None

    async def _by_id(self, session_id: str) -> Stored | None:
        if not session_id:
            return None
        value, ended = await asyncio.gather(self._kv.get(f"s:{session_id}"), self._kv.get(f"x:{session_id}"))
        stored = None if ended is not None else decoded(value)
        return stored if stored is not None and stored.record.id == session_id else None

    # --- creating and changing

    async def create(self, new: NewSession, *, connection: Any = None) -> CreateResult:
        """Insert a session; no limit can be kept.

        Raises:
            ConfigurationError: There is a limit.
            DataError: There is a session with this token or id, or it is too large for KV.
        """
        _refuse(connection)
        if new.limit is not None:
            msg = f"a limit of {new.limit} sessions is not possible: KV cannot count exactly; use D1"
            raise ConfigurationError(msg)
        pointer, stored = await asyncio.gather(self._kv.get(_token(new.token_hash)), self._by_id(new.record.id))
        if stored is not None or (pointer is not None and new.replaces != new.token_hash):
            msg = "there is a session with this token or id already"
            raise DataError(msg)
        old = await self._by_token(new.replaces) if new.replaces else None
        record = carried(new, old.record.data if old is not None and old.record.user_id is None else None)
        if old is not None:
            await self._end(old, keep_token=new.replaces == new.token_hash)
        await self._put_all(Stored(name_of(new.token_hash), record))
        return CreateResult(record, (), None if old is None else old.record)

    async def touch(self, touches: Sequence[Touch]) -> set[str]:
        """Move live sessions' last-seen and idle expiry forwards, each at most once a second; returns their ids."""
        touched: set[str] = set()
        for start in range(0, len(touches), _AT_ONCE):
            batch = touches[start : start + _AT_ONCE]
            done = await asyncio.gather(*map(self._touch, batch))
            touched.update(touch.session_id for touch, done in zip(batch, done, strict=True) if done)
        return touched

    async def _touch(self, touch: Touch) -> bool:
        stored = await self._by_id(touch.session_id)
        if stored is None or not self._alive(stored.record) or stored.record.ends_at() <= touch.last_seen_at:
            return False
        seen = max(stored.record.last_seen_at, touch.last_seen_at)
        idle = max(stored.record.idle_expires_at, touch.idle_expires_at)
        record = stored.record._replace(last_seen_at=seen, idle_expires_at=idle)
        if record != stored.record:
            await self._put(stored._replace(record=record))
        return True

    async def save(self, change: SessionChange, *, connection: Any = None) -> Record | None:
        """Merge keys into a live session's data; None when it is gone. Of two changes at once, one may get lost."""
        _refuse(connection)
        stored = await self._by_id(change.session_id)
        if stored is None or not self._alive(stored.record):
            return None
        times: dict[str, Any] = {name: time for name, time in given_times(change).items() if time is not None}
        record = stored.record._replace(data=merged(stored.record.data, change), **times)
        await self._put(stored._replace(record=record))
        if record.expires_at != stored.record.expires_at:
            await self._put_listing(record)  # and not what its token leads to: a rotation may have taken that away
        return record

    async def relocate(self, session_id: str, ip: str | None, user_agent: str | None) -> bool:
        """Note a live session's new address and browser; False when they are noted already."""
        stored = await self._by_id(session_id)
        if stored is None or not self._alive(stored.record):
            return False
        record = stored.record._replace(ip=ip, user_agent=user_agent)
        if record == stored.record:
            return False
        await self._put(stored._replace(record=record))
        return True

    async def rotate(self, rotation: Rotation, *, connection: Any = None) -> Record | None:
        """Give a live session a new token hash; None when the old one is gone."""
        _refuse(connection)
        stored, taken = await asyncio.gather(self._by_token(rotation.old_hash), self._kv.get(_token(rotation.new_hash)))
        if stored is None or not self._alive(stored.record):
            return None
        if taken is not None:
            msg = "there is a session with this token already"
            raise DataError(msg)
        old = stored.record
        record = old._replace(
            authenticated_at=old.authenticated_at if rotation.authenticated_at is None else rotation.authenticated_at,
            idle_expires_at=old.idle_expires_at if rotation.idle_expires_at is None else rotation.idle_expires_at,
            expires_at=old.expires_at if rotation.expires_at is None else rotation.expires_at,
            authentication=rotation.authentication or old.authentication,
        )
        await self._put_all(Stored(name_of(rotation.new_hash), record))
        await self._kv.remove(_token(rotation.old_hash))
        return record

    # --- ending

    async def revoke(self, selection: Selection, *, connection: Any = None) -> Sequence[Ended]:
        """End the selected sessions and say which they were; of a user's, one of the last minute may be missed."""
        _refuse(connection)
        return await self._end_all(await self._selected(selection))

    async def _selected(self, selection: Selection) -> list[Stored]:
        if selection.token_hash is not None:
            found = [await self._by_token(selection.token_hash)]
        elif selection.session_id is not None:
            found = [await self._by_id(selection.session_id)]
            found = [each for each in found if each and selection.user_id in {None, each.record.user_id}]
        elif selection.user_id is not None:
            records = await self._listed(selection.user_id)
            ids = [record.id for record in records if record.id != selection.keep]
            found = await asyncio.gather(*map(self._by_id, ids))
        else:
            found = []
        return [each for each in found if each is not None]

    async def revoke_everyone(self, *, connection: Any = None) -> int:
        """End all sessions, one by one; returns how many there were. It may miss one of the last minute."""
        _refuse(connection)
        ids = [record.id for record in await self._listed(None)]
        found = await asyncio.gather(*map(self._by_id, ids))
        return len(await self._end_all(each for each in found if each is not None))

    async def invalidate_user(self, user_id: str, *, connection: Any = None) -> None:  # noqa: ARG002 - nothing is kept
        """Do nothing: no copy of a user is kept."""
        _refuse(connection)

    async def invalidate(self, subjects: Sequence[str], *, connection: Any = None) -> None:  # noqa: ARG002 - see above
        """Do nothing: no copy of anything is kept."""
        _refuse(connection)

    async def sweep(self, batch: int) -> Sequence[Ended]:  # noqa: ARG002 - KV does it
        """Do nothing: what has expired goes by itself."""
        return []

    # --- helpers

    async def _end_all(self, found: Iterable[Stored]) -> list[Ended]:
        ended = list(found)
        for start in range(0, len(ended), _AT_ONCE):
            await asyncio.gather(*map(self._end, ended[start : start + _AT_ONCE]))
        return [ended_as(each.record) for each in ended]

    async def _end(self, stored: Stored, *, keep_token: bool = False) -> None:
        record = stored.record
        # First of all: whatever is written after it finds the session ended.
        await self._kv.put(f"x:{record.id}", b"", self._milliseconds(_longest_of(record)))
        # KV takes one write of a key in a second, so one that is written anew at once is not removed first.
        keys = [f"s:{record.id}", _listing(record), *([] if keep_token else [f"t:{stored.token}"])]
        await asyncio.gather(*map(self._kv.remove, keys))

    async def _put_all(self, stored: Stored) -> None:
        record = stored.record
        await self._put(stored)
        await asyncio.gather(
            self._kv.put(f"t:{stored.token}", record.id.encode(), self._milliseconds(_longest_of(record))),
            self._put_listing(record),
        )

    async def _put_listing(self, record: Record) -> None:
        await self._kv.put(_listing(record), b"", self._milliseconds(_end_of(record)))

    async def _put(self, stored: Stored) -> None:
        value = encoded(stored)
        if len(value) > LARGEST:
            msg = f"the session has {len(value)} bytes; KV takes {LARGEST}"
            raise DataError(msg)
        await self._kv.put(f"s:{stored.record.id}", value, self._milliseconds(stored.record.ends_at()))

    def _milliseconds(self, until: int) -> int:
        # KV's minimum of a minute prolongs nothing: the record says when it ends.
        return max(0, until - self._clock.now() // 1000) // 1000 + 1

    def _alive(self, record: Record) -> bool:
        return record.ends_at() > self._clock.now() // 1000


def _end_of(record: Record) -> int:
    """Return until when a session can live at the most, whatever touches it, in microseconds since the epoch."""
    return record.last_seen_at + _LONGEST if record.expires_at is None else record.expires_at


def _longest_of(record: Record) -> int:
    """Return the same if saving gives it a later end: what is said of it must not go before it does."""
    return max(record.last_seen_at + _LONGEST, _end_of(record))


def _token(token_hash: bytes) -> str:
    return f"t:{name_of(token_hash)}"


def _listing(record: Record) -> str:
    return f"u:{_owner(record.user_id)}:{record.id}"


def _owner(user_id: str | None) -> str:
    return "" if user_id is None else _hashed(user_id)


def _hashed(text: str) -> str:
    return name_of(sha256(text.encode("utf-8", "surrogatepass")).digest()[:18])


def _refuse(connection: Any) -> None:
    if connection is not None:
        msg = "connection= is not possible: KV has no transactions to join"
        raise ConfigurationError(msg)

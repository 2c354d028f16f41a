"""How sessions begin and change in memory, for asyncio."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from coatcheck.core.authentication import acts_for_another
from coatcheck.core.successors import MOST_RETIRED
from coatcheck.errors import DataError
from coatcheck.stores import auditing
from coatcheck.stores.base import CreateResult, Ended, Full, Renewed, ended_as
from coatcheck.testing._async_memory.base import refuse
from coatcheck.testing._async_memory.trail import AsyncMemoryTrail
from coatcheck.testing._memory_tables import Successor, cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.core.session import Record
    from coatcheck.stores.base import Device, NewSession, Renewal, Rotation, SessionChange, Touch

_TIMES = ("idle_timeout", "idle_expires_at", "expires_at")


class AsyncMemoryChanges(AsyncMemoryTrail):
    """What is done to one session, but for its end."""

    async def create(self, new: NewSession, *, connection: Any = None) -> CreateResult:
        """Insert a session and enforce the limit; raises Full."""
        refuse(connection)
        async with self._lock:
            taken = new.token_hash in self._rows and new.token_hash != new.replaces
            if taken or self._key_of(new.record.id) is not None:
                raise DataError("there is a session with this token or id already")
            replaced = None if new.replaces is None else self._rows.get(self._latest(new.replaces))
            live = self._live_of(new.record.user_id, new.kind)
            others = [row for row in live if row is not replaced and not acts_for_another(row.authentication)]
            full = new.limit is not None and new.record.user_id is not None and len(others) >= new.limit
            if full and new.when_full != "evict_oldest":
                raise Full(new.limit or 0, tuple(others))
            evicted = tuple(others[(new.limit or 0) - 1 :]) if full else ()
            record = new.record if replaced is None else _carried(new, replaced)
            self._end(evicted if replaced is None else (replaced, *evicted))
            self._rows[new.token_hash] = record
            self._kinds[record.id] = new.kind
            return self._told(CreateResult(record, evicted, replaced), partial(auditing.of_create, new))

    async def create_acting(self, new: NewSession, actor_session_id: str, *, connection: Any = None) -> Record | None:
        """Insert a session that ends with another; None when that is gone or over, or is such a session itself."""
        refuse(connection)
        async with self._lock:
            key = self._live_key_of(actor_session_id)
            if key is None or actor_session_id in self._acting:
                return None
            self._acting[new.record.id] = actor_session_id
            self._rows[new.token_hash] = cut(new.record, self._rows[key])
            return self._told(self._rows[new.token_hash], partial(auditing.of_acting, new))

    async def actor_session(self, session_id: str, *, connection: Any = None) -> str | None:
        """Read the public id of the session that another one ends with; None when there is none."""
        refuse(connection)
        async with self._lock:
            actor = self._acting.get(session_id)
            return None if actor is None or self._live_key_of(actor) is None else actor

    async def touch(self, touches: Sequence[Touch]) -> set[str]:
        """Move live sessions' last-seen and idle expiry forwards; returns their ids."""
        confirmed: set[str] = set()
        async with self._lock:
            for session_id, seen, idle in touches:
                key = self._live_key_of(session_id)
                if key is None or self._rows[key].ends_at() <= seen:
                    continue
                row = self._rows[key]
                self._rows[key] = row._replace(
                    last_seen_at=max(row.last_seen_at, seen), idle_expires_at=max(row.idle_expires_at, idle)
                )
                confirmed.add(session_id)
        return confirmed

    async def save(self, change: SessionChange, *, connection: Any = None) -> Record | None:
        """Merge keys into a live session's data; None when it is gone."""
        refuse(connection)
        async with self._lock:
            key = self._live_key_of(change.session_id)
            if key is None:
                return None
            held = json.loads(self._rows[key].data)
            if not change.expects(held):
                return self._rows[key]
            merged = {**held, **change.changes}
            data = json.dumps({name: merged[name] for name in merged if name not in change.remove})
            if len(data.encode()) > change.max_bytes:
                raise DataError(f"the session's data would be larger than {change.max_bytes} bytes")
            times: dict[str, Any] = {
                name: time for name, time in zip(_TIMES, change[-3:], strict=True) if time is not None
            }
            row = self._put(key, self._rows[key]._replace(data=data, **times))
            self._shorten_acting_for(row)
            return row

    async def relocate(self, session_id: str, ip: str | None, user_agent: str | None) -> bool:
        """Note a live session's new address and browser; False when they are noted already."""
        async with self._lock:
            key = self._live_key_of(session_id)
            if key is None or (self._rows[key].ip, self._rows[key].user_agent) == (ip, user_agent):
                return False
            self._put(key, self._rows[key]._replace(ip=ip, user_agent=user_agent))
            return True

    async def rotate(self, rotation: Rotation, *, connection: Any = None) -> Record | None:
        """Give a live session a new token hash; None when the old one is gone."""
        refuse(connection)
        async with self._lock:
            old_hash = self._current(rotation.old_hash)
            row = self._rows.get(old_hash)
            if row is None or not self._alive(row):
                return None
            if rotation.new_hash in self._rows:
                raise DataError("there is a session with this token already")
            del self._rows[old_hash]
            if rotation.authenticated_at is not None:
                row = row._replace(authenticated_at=rotation.authenticated_at)
            if rotation.idle_expires_at is not None:
                row = row._replace(idle_expires_at=rotation.idle_expires_at)
            if rotation.expires_at is not None:
                row = row._replace(expires_at=rotation.expires_at)
            if rotation.authentication is not None:
                row = row._replace(authentication=rotation.authentication)
            self._shorten_acting_for(row)
            return self._told(self._put(rotation.new_hash, row), partial(auditing.of_rotate, rotation))

    async def renew(self, renewal: Renewal, *, connection: Any = None) -> Renewed | None:
        """Give a live session a new token hash and retire the old one; the same successor for all who come in time."""
        refuse(connection)
        async with self._lock:
            row = self._rows.get(renewal.old_hash)
            if row is not None and self._alive(row):
                if renewal.new_hash in self._rows:
                    raise DataError("there is a session with this token already")
                del self._rows[renewal.old_hash]
                now = self._now()
                successor = Successor(row.id, renewal.new_hash, renewal.seal, now, now + renewal.grace)
                self._retired[renewal.old_hash] = successor
                for token_hash in [key for key, each in self._retired.items() if each.session_id == row.id][
                    :-MOST_RETIRED
                ]:
                    del self._retired[token_hash]
                return Renewed(self._put(renewal.new_hash, row), renewal.seal, fresh=True)
            row = self._rows.get(self._current(renewal.old_hash))
            if row is None or not self._alive(row):
                return None
            return Renewed(row, self._retired[renewal.old_hash].seal, fresh=False)

    async def reuse(self, token_hash: bytes, *, end: bool, connection: Any = None) -> Ended | None:
        """Act on the use of a retired token whose grace is over, once."""
        refuse(connection)
        async with self._lock:
            successor = self._retired.get(token_hash)
            if successor is None or successor.until > self._now():
                return None
            key = self._live_key_of(successor.session_id)
            if key is None:
                return None
            row = self._rows[key]
            if end:
                [ended] = self._end([row])
            else:
                del self._retired[token_hash]
                ended = ended_as(row)
            return self._told(ended, partial(auditing.of_reuse, end=end))

    async def bind(self, session_id: str, device: Device) -> bool:
        """Bind a live session to a device; False when it is gone, or bound already."""
        async with self._lock:
            key = self._live_key_of(session_id)
            if key is None or self._rows[key].device_bound:
                return False
            self._devices[session_id] = device
            row = self._put(key, self._rows[key]._replace(device_bound=True))
            self._told(Ended(row.id, row.user_id), partial(auditing.of_bind, device))
            return True

    async def device(self, session_id: str) -> Device | None:
        """Read the device of a live session; None when there is none."""
        async with self._lock:
            return None if self._live_key_of(session_id) is None else self._devices.get(session_id)

    async def swap_challenges(self, session_id: str, seen: str, new: str) -> bool:
        """Replace a device's challenges; False when they are not any more what was seen, or gone."""
        async with self._lock:
            device = self._devices.get(session_id)
            if device is None or device.challenges != seen:
                return False
            self._devices[session_id] = device._replace(challenges=new)
            return True


def _carried(new: NewSession, replaced: Record) -> Record:
    """Return the new row, with what the policy lets an anonymous visitor keep."""
    if replaced.user_id is not None:
        return new.record
    old = json.loads(replaced.data)
    kept = {name: old[name] for name in new.carry_over if name in old}
    return new.record._replace(data=json.dumps({**kept, **json.loads(new.record.data)}))

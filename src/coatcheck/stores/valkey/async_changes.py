"""How sessions begin and change on Valkey, for asyncio; each change is one script."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from coatcheck.core.successors import MOST_RETIRED
from coatcheck.errors import DataError, Unavailable
from coatcheck.stores import auditing
from coatcheck.stores.base import CreateResult, Device, Full, Renewed
from coatcheck.stores.operations import carried, merged
from coatcheck.stores.valkey import rows, scripts
from coatcheck.stores.valkey.async_base import AT_ONCE, refuse
from coatcheck.stores.valkey.async_readings import AsyncValkeyReadings
from coatcheck.stores.valkey.async_trail import AsyncValkeyTrail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.core.session import Record
    from coatcheck.stores.base import Ended, NewSession, Renewal, Rotation, SessionChange, Touch

_ATTEMPTS = 100


class AsyncValkeyChanges(AsyncValkeyReadings, AsyncValkeyTrail):
    """What is done to one session, but for its end."""

    async def create(self, new: NewSession, *, connection: Any = None) -> CreateResult:
        """Insert a session and enforce the limit, exactly and in one script; raises Full."""
        refuse(connection)
        record, seen = new.record, b""
        carries = new.replaces is not None and bool(new.carry_over)
        for _ in range(_ATTEMPTS):
            status, *answer = await self._run(
                scripts.CREATE,
                new.token_hash.hex(),
                "" if new.limit is None else new.limit,
                new.when_full,
                "" if new.replaces is None else new.replaces.hex(),
                "1" if carries else "0",
                seen,
                *rows.fields_of(record, new.kind),
            )
            if status == b"ok":
                replaced, evicted = answer
                old = rows.record_of(replaced) if replaced else None
                result = CreateResult(record, rows.records_of(evicted), old)
                return await self._told(result, partial(auditing.of_create, new))
            if status == b"full":
                raise Full(new.limit or 0, rows.records_of(answer[0]))
            if status == b"taken":
                raise _taken()
            # Lua's JSON would not keep numbers and empty lists as they are, so the data are joined here.
            seen = answer[0]
            record = carried(new, seen.decode())
        raise _contended()

    async def create_acting(self, new: NewSession, actor_session_id: str, *, connection: Any = None) -> Record | None:
        """Insert a session that ends with another; None when that is gone or over, or is such a session itself."""
        refuse(connection)
        words = rows.fields_of(new.record)
        status, *answer = await self._run(scripts.CREATE_ACTING, new.token_hash.hex(), actor_session_id, *words)
        if status == b"taken":
            raise _taken()
        record = rows.record_of(answer[0]) if status == b"ok" else None
        return await self._told(record, partial(auditing.of_acting, new))

    async def actor_session(self, session_id: str, *, connection: Any = None) -> str | None:
        """Read the public id of the session that another one ends with; None when there is none."""
        refuse(connection)
        found = await self._run(scripts.ACTOR_SESSION, session_id)
        return None if found is None else found.decode()

    async def touch(self, touches: Sequence[Touch]) -> set[str]:
        """Move live sessions' last-seen and idle expiry forwards, hundreds in one script; returns their ids."""
        touched: set[str] = set()
        for start in range(0, len(touches), AT_ONCE):
            words = [word for touch in touches[start : start + AT_ONCE] for word in touch]
            touched.update(found.decode() for found in await self._run(scripts.TOUCH, *words))
        return touched

    async def save(self, change: SessionChange, *, connection: Any = None) -> Record | None:
        """Merge keys into a live session's data; None when it is gone. Never creates a row."""
        refuse(connection)
        reading = await self.find(change.session_id)
        record = reading.record
        if record is None or record.ends_at() * 1000 <= reading.now:
            return None
        seen = record.data.encode()
        times = ["" if time is None else time for time in change[-3:]]
        for _ in range(_ATTEMPTS):
            status, *answer = await self._run(
                scripts.SAVE, change.session_id, seen, merged(seen.decode(), change), *times
            )
            if status == b"gone":
                return None
            if status == b"ok":
                return rows.record_of(answer[0])
            seen = answer[0]
        raise _contended()

    async def relocate(self, session_id: str, ip: str | None, user_agent: str | None) -> bool:
        """Note a live session's new address and browser; False when they are noted already."""
        words = [word for value in (ip, user_agent) for word in ("0" if value is None else "1", value or "")]
        return bool(await self._run(scripts.RELOCATE, session_id, *words))

    async def rotate(self, rotation: Rotation, *, connection: Any = None) -> Record | None:
        """Give a live session a new token hash; None when the old one is gone."""
        refuse(connection)
        changed = (rotation.authenticated_at, rotation.idle_expires_at, rotation.expires_at, rotation.authentication)
        words = ("" if value is None else value for value in changed)
        status, *answer = await self._run(scripts.ROTATE, rotation.old_hash.hex(), rotation.new_hash.hex(), *words)
        if status == b"taken":
            msg = "there is a session with this token already"
            raise DataError(msg)
        rotated = rows.record_of(answer[0]) if status == b"ok" else None
        return await self._told(rotated, partial(auditing.of_rotate, rotation))

    async def renew(self, renewal: Renewal, *, connection: Any = None) -> Renewed | None:
        """Give a live session a new token hash and retire the old one; the same successor for all who come in time."""
        refuse(connection)
        old, new, seal, grace = renewal
        status, *answer = await self._run(scripts.RENEW, old.hex(), new.hex(), seal, grace, MOST_RETIRED)
        if status == b"taken":
            msg = "there is a session with this token already"
            raise DataError(msg)
        if status == b"gone":
            return None
        fields, successor, seal = answer
        return Renewed(rows.record_of(fields), seal, fresh=successor.decode() == new.hex())

    async def reuse(self, token_hash: bytes, *, end: bool, connection: Any = None) -> Ended | None:
        """Act on the use of a retired token whose grace is over, once."""
        refuse(connection)
        answer = await self._run(scripts.REUSE, token_hash.hex(), "1" if end else "0")
        ended = None if answer is None else rows.ended_of([answer])[0]
        return await self._told(ended, partial(auditing.of_reuse, end=end))

    async def bind(self, session_id: str, device: Device) -> bool:
        """Bind a live session to a device; False when it is gone, or bound already."""
        fields = await self._run(scripts.BIND, session_id, *device)
        whose = rows.ended_of([fields])[0] if fields else None
        return await self._told(whose, partial(auditing.of_bind, device)) is not None

    async def device(self, session_id: str) -> Device | None:
        """Read the device of a live session; None when there is none."""
        found = await self._run(scripts.DEVICE, session_id)
        return Device(*(part.decode() for part in found)) if found else None

    async def swap_challenges(self, session_id: str, seen: str, new: str) -> bool:
        """Replace a device's challenges; False when they are not any more what was seen, or gone."""
        return bool(await self._run(scripts.SWAP_CHALLENGES, session_id, seen, new))


def _taken() -> DataError:
    return DataError("there is a session with this token or id already")


def _contended() -> Unavailable:
    return Unavailable("the Valkey store could not answer (too many others change the same session)")

"""Fault injection, for asyncio."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeVar, cast

from coatcheck.errors import Unavailable
from coatcheck.stores.base import SESSION
from coatcheck.testing._async_pair import AsyncGate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from coatcheck.core.coherence import LogPage
    from coatcheck.core.fleet import WorkerRows
    from coatcheck.core.session import Record
    from coatcheck.stores.async_protocol import (
        AsyncAudits,
        AsyncBindsDevices,
        AsyncImpersonates,
        AsyncKeepsNumbers,
        AsyncRetires,
        AsyncSearches,
        AsyncSpends,
        AsyncStore,
    )
    from coatcheck.stores.auditing import Noted
    from coatcheck.stores.base import (
        AuditFilter,
        AuditRow,
        Capabilities,
        CreateResult,
        Device,
        Ended,
        NewSession,
        Reading,
        Renewal,
        Renewed,
        Rotation,
        Selection,
        SessionChange,
        SessionFilter,
        Touch,
        Vitals,
    )

T = TypeVar("T")

_CALLS = frozenset(
    {
        *("open", "aclose", "migrate", "problems", "read", "read_nearby", "poll", "find", "list_sessions"),
        *("create", "touch", "save", "relocate", "rotate", "renew", "reuse"),
        *("bind", "device", "swap_challenges", "spend"),
        *("create_acting", "actor_session"),
        *("search", "count_matching", "count_users_matching", "revoke_matching"),
        *("record", "entries", "forget_entries"),
        *("report", "probe", "reports"),
        *("revoke", "revoke_everyone", "invalidate_user", "invalidate", "sweep"),
    }
)


class AsyncFaultyStore:
    """Any store, with the faults that a test orders.

    Calls are named as in the store's Protocol. A call that fails raises `Unavailable`, as a store does that cannot
    answer. `unchanged` and `news` never fail and are not counted:
    one asks nobody, the other is a mere hint.

    Attributes:
        store: The store behind it.
        calls: The names of all calls so far, in order.
    """

    def __init__(self, store: AsyncStore) -> None:
        """Let everything pass to `store`, until told otherwise."""
        self.store = store
        self.calls: list[str] = []
        self._failing: dict[str, Iterator[str]] = {}
        self._losing: dict[str, Iterator[str]] = {}
        self._held: dict[str, AsyncGate] = {}
        self._late: dict[str, AsyncGate] = {}

    # --- ordering faults

    def count(self, *names: str) -> int:
        """Return how many calls of these names there were."""
        return sum(map(self.calls.count, _known(names)))

    def fail(self, *names: str, times: int | None = None) -> None:
        """Make these calls fail before the store sees them: the next `times` of each, or all until `heal`."""
        self._failing.update((name, _ordered(times)) for name in _known(names))

    def lose_answers(self, *names: str, times: int | None = None) -> None:
        """Make these calls fail after the store has done what they ask."""
        self._losing.update((name, _ordered(times)) for name in _known(names))

    def heal(self) -> None:
        """Let calls succeed again. What is held stays held."""
        self._failing.clear()
        self._losing.clear()

    def hold(self, *names: str) -> AsyncGate:
        """Make these calls wait at a gate before the store sees them, until it is released."""
        gate = AsyncGate()
        self._held.update((name, gate) for name in _known(names))
        return gate

    def hold_answers(self, *names: str) -> AsyncGate:
        """Make the answers of these calls wait at a gate: the store has acted, and nobody knows yet."""
        gate = AsyncGate()
        self._late.update((name, gate) for name in _known(names))
        return gate

    async def _through(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        self.calls.append(name)
        held, late = self._held.get(name), self._late.get(name)
        if held is not None:
            await held.wait()
        if next(self._failing.get(name, _NEVER), None):
            raise Unavailable(f"{name} was told to fail")
        answer = await call()
        if late is not None:
            await late.wait()
        if next(self._losing.get(name, _NEVER), None):
            raise Unavailable(f"the answer of {name} was told to get lost")
        return answer

    # --- the store

    @property
    def capabilities(self) -> Capabilities:
        """What the store behind it can."""
        return self.store.capabilities

    def vitals(self) -> Vitals:
        """Pass on, as it is."""
        return self.store.vitals()

    def unchanged(self, cursor: Any) -> bool:
        """Tell what the store behind it tells."""
        return self.store.unchanged(cursor)

    async def news(self, seen: int, seconds: float) -> int:
        """Pass on, as it is: a hint that is lost does no harm."""
        return await self.store.news(seen, seconds)

    async def open(self) -> None:
        """Open the store."""
        await self._through("open", self.store.open)

    async def aclose(self) -> None:
        """Close the store."""
        await self._through("aclose", self.store.aclose)

    async def migrate(self) -> Sequence[str]:
        """Migrate the store."""
        return await self._through("migrate", self.store.migrate)

    async def problems(self) -> Sequence[str]:
        """Say what is unsafe."""
        return await self._through("problems", self.store.problems)

    async def read(self, token_hash: bytes, *, connection: Any = None) -> Reading:
        """Read a session by its token hash."""
        return await self._through("read", lambda: self.store.read(token_hash, connection=connection))

    async def read_nearby(self, token_hash: bytes) -> Reading | None:
        """Read a session from a replica."""
        return await self._through("read_nearby", lambda: self.store.read_nearby(token_hash))

    async def poll(self, cursor: Any) -> LogPage:
        """Read the log."""
        return await self._through("poll", lambda: self.store.poll(cursor))

    async def create(self, new: NewSession, *, connection: Any = None) -> CreateResult:
        """Insert a session."""
        return await self._through("create", lambda: self.store.create(new, connection=connection))

    async def touch(self, touches: Sequence[Touch]) -> set[str]:
        """Note uses of sessions."""
        return await self._through("touch", lambda: self.store.touch(touches))

    async def save(self, change: SessionChange, *, connection: Any = None) -> Record | None:
        """Change a session's data."""
        return await self._through("save", lambda: self.store.save(change, connection=connection))

    async def relocate(self, session_id: str, ip: str | None, user_agent: str | None) -> bool:
        """Note a new address and browser."""
        return await self._through("relocate", lambda: self.store.relocate(session_id, ip, user_agent))

    async def rotate(self, rotation: Rotation, *, connection: Any = None) -> Record | None:
        """Give a session a new token."""
        return await self._through("rotate", lambda: self.store.rotate(rotation, connection=connection))

    async def renew(self, renewal: Renewal, *, connection: Any = None) -> Renewed | None:
        """Retire a token."""
        store = cast("AsyncRetires", self.store)
        return await self._through("renew", lambda: store.renew(renewal, connection=connection))

    async def reuse(self, token_hash: bytes, *, end: bool, connection: Any = None) -> Ended | None:
        """Act on the use of a retired token."""
        store = cast("AsyncRetires", self.store)
        return await self._through("reuse", lambda: store.reuse(token_hash, end=end, connection=connection))

    @property
    def _numbers(self) -> AsyncKeepsNumbers:
        return cast("AsyncKeepsNumbers", self.store)

    @property
    def _devices(self) -> AsyncBindsDevices:
        return cast("AsyncBindsDevices", self.store)

    async def bind(self, session_id: str, device: Device) -> bool:
        """Bind a session to a device, where the store can."""
        return await self._through("bind", lambda: self._devices.bind(session_id, device))

    async def device(self, session_id: str) -> Device | None:
        """Read a session's device."""
        return await self._through("device", lambda: self._devices.device(session_id))

    async def swap_challenges(self, session_id: str, seen: str, new: str) -> bool:
        """Replace a device's challenges."""
        return await self._through("swap_challenges", lambda: self._devices.swap_challenges(session_id, seen, new))

    @property
    def _acting(self) -> AsyncImpersonates:
        return cast("AsyncImpersonates", self.store)

    async def create_acting(self, new: NewSession, actor_session_id: str, *, connection: Any = None) -> Record | None:
        """Insert a session that ends with another."""
        return await self._through(
            "create_acting", lambda: self._acting.create_acting(new, actor_session_id, connection=connection)
        )

    async def actor_session(self, session_id: str, *, connection: Any = None) -> str | None:
        """Read which session another one ends with."""
        return await self._through(
            "actor_session", lambda: self._acting.actor_session(session_id, connection=connection)
        )

    async def spend(self, name: bytes, lifetime: int) -> bool:
        """Note that something is used up."""
        return await self._through("spend", lambda: cast("AsyncSpends", self.store).spend(name, lifetime))

    async def report(self, worker: str, report: str) -> bool:
        """Note what a worker tells of itself, where the store can."""
        return await self._through("report", lambda: self._numbers.report(worker, report))

    async def probe(self) -> None:
        """Write a probe."""
        return await self._through("probe", self._numbers.probe)

    async def reports(self) -> WorkerRows:
        """Read what all workers have told."""
        return await self._through("reports", self._numbers.reports)

    async def revoke(self, selection: Selection, *, connection: Any = None) -> Sequence[Ended]:
        """End sessions."""
        return await self._through("revoke", lambda: self.store.revoke(selection, connection=connection))

    async def revoke_everyone(self, *, connection: Any = None) -> int:
        """End all sessions."""
        return await self._through("revoke_everyone", lambda: self.store.revoke_everyone(connection=connection))

    async def invalidate_user(self, user_id: str, *, connection: Any = None) -> None:
        """Outdate the copies of a user."""
        await self._through("invalidate_user", lambda: self.store.invalidate_user(user_id, connection=connection))

    async def invalidate(self, subjects: Sequence[str], *, connection: Any = None) -> None:
        """Outdate the copies of some subjects."""
        await self._through("invalidate", lambda: self.store.invalidate(subjects, connection=connection))

    async def find(self, session_id: str) -> Reading:
        """Read a session by its public id."""
        return await self._through("find", lambda: self.store.find(session_id))

    async def list_sessions(
        self, user_id: str | None, limit: int, *, kind: str = SESSION, connection: Any = None
    ) -> Sequence[Record]:
        """List sessions."""
        return await self._through(
            "list_sessions", lambda: self.store.list_sessions(user_id, limit, kind=kind, connection=connection)
        )

    @property
    def _searches(self) -> AsyncSearches:
        return cast("AsyncSearches", self.store)

    async def search(
        self, wanted: SessionFilter, *, limit: int, after: tuple[int, str] | None = None, connection: Any = None
    ) -> Sequence[Record]:
        """List the sessions that a filter means, where the store can."""
        return await self._through(
            "search", lambda: self._searches.search(wanted, limit=limit, after=after, connection=connection)
        )

    async def count_matching(self, wanted: SessionFilter, *, most: int | None = None, connection: Any = None) -> int:
        """Count them."""
        return await self._through(
            "count_matching", lambda: self._searches.count_matching(wanted, most=most, connection=connection)
        )

    async def count_users_matching(self, wanted: SessionFilter, *, connection: Any = None) -> int:
        """Count their users."""
        return await self._through(
            "count_users_matching", lambda: self._searches.count_users_matching(wanted, connection=connection)
        )

    async def revoke_matching(self, wanted: SessionFilter, *, connection: Any = None) -> Sequence[Ended]:
        """End them."""
        return await self._through(
            "revoke_matching", lambda: self._searches.revoke_matching(wanted, connection=connection)
        )

    @property
    def _audits(self) -> AsyncAudits:
        return cast("AsyncAudits", self.store)

    def audit(self) -> None:
        """Pass on, as it is."""
        self._audits.audit()

    async def record(self, entries: Sequence[Noted], *, connection: Any = None) -> None:
        """Write entries of the audit trail, where the store can."""
        await self._through("record", lambda: self._audits.record(entries, connection=connection))

    async def entries(
        self, wanted: AuditFilter, *, limit: int, after: int | None = None, connection: Any = None
    ) -> Sequence[AuditRow]:
        """List entries of the audit trail."""
        return await self._through(
            "entries", lambda: self._audits.entries(wanted, limit=limit, after=after, connection=connection)
        )

    async def forget_entries(self, keep: int, batch: int) -> int:
        """Delete old entries of the audit trail."""
        return await self._through("forget_entries", lambda: self._audits.forget_entries(keep, batch))

    async def sweep(self, batch: int) -> Sequence[Ended]:
        """Delete expired sessions."""
        return await self._through("sweep", lambda: self.store.sweep(batch))


_NEVER: Iterator[str] = repeat("", 0)


def _ordered(times: int | None) -> Iterator[str]:
    return repeat("fault") if times is None else repeat("fault", times)


def _known(names: Sequence[str]) -> Sequence[str]:
    """Refuse a name that no call has: the fault would never happen, and the test would prove nothing."""
    unknown = set(names) - _CALLS
    if unknown:
        msg = f"{', '.join(sorted(unknown))} is no call of a store; use {', '.join(sorted(_CALLS))}"
        raise ValueError(msg)
    return names

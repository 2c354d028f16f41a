"""The authorities of the simulated fleet: one for each way in which positions, epochs and news come about.

Each remembers everything that ever held, so that every answer can be compared with the truth. What PostgreSQL does is
written down here: transaction numbers, snapshots, a crash that hands numbers out twice and empties an unlogged table.
The poll that reads it is the real store's.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from coatcheck import Session, Unavailable
from coatcheck.core.coherence import Entry
from coatcheck.stores.base import Reading
from coatcheck.stores.postgresql.async_store import AsyncPostgreSQLStore
from coatcheck.testing import AsyncMemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from coatcheck.core.coherence import LogPage
    from coatcheck.core.session import Record
    from coatcheck.stores.operations import Operation, Row, Statement
    from tests.coherence.virtual import World

CHANGES = frozenset(
    {
        *("create", "touch", "save", "relocate", "rotate"),
        *("revoke", "revoke_everyone", "invalidate_user", "invalidate", "sweep"),
    }
)


@dataclass
class Fact:
    """What a token stood for, from one moment to another; None while it still does."""

    states: tuple[Any, ...]
    since: int
    until: int | None = None


def states(row: Record | Session) -> tuple[Any, ...]:
    """Return what a session states, without what a touch moves."""
    data: Mapping[str, Any] = json.loads(row.data) if isinstance(row.data, str) else row.data
    return (row.id, row.user_id, row.ip, json.dumps(dict(data), sort_keys=True))


class Authority(AsyncMemoryStore):
    """One writer and a counter, like Valkey: the first poll of another server begins a new epoch."""

    pushes_changes = True
    notices_changes = False

    def __init__(self, world: World, random: Random) -> None:
        super().__init__(clock=world, pushes_changes=self.pushes_changes)
        self.capabilities = self.capabilities._replace(notices_changes=self.notices_changes)
        self.world = world
        self.random = random
        self.history: dict[bytes, list[Fact]] = {}
        self.on_news: list[Callable[[], None]] = []
        self.on_end: list[Callable[[bytes], None]] = []
        self.commits = 0
        self._noted = False
        self.running = asyncio.Event()
        self.running.set()
        self._epoch = ""
        self._epochs = self._lives = 0
        self._backups: list[Any] = [self._saved()]

    # --- what holds

    def observe(self) -> None:
        """Write down what has changed."""
        now = self.world.time
        for token_hash, facts in self.history.items():
            row = self._rows.get(token_hash)
            if facts[-1].until is None and (row is None or states(row) != facts[-1].states):
                facts[-1].until = now
                for listener in self.on_end:
                    listener(token_hash)
        for token_hash, row in self._rows.items():
            facts = self.history.setdefault(token_hash, [])
            if not facts or facts[-1].until is not None:
                facts.append(Fact(states(row), now))

    def live(self, user_id: str) -> int:
        """Return how many sessions a user has."""
        return len(self._live_of(user_id))

    # --- what is asked

    async def change(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Change something."""
        result = await getattr(self, name)(*arguments, **options)
        self._committed()
        return result

    def _committed(self) -> None:
        self.commits += 1
        self._backups = [*self._backups[-3:], self._saved()]
        self.observe()
        if self._noted:
            self._noted = False
            for listener in self.on_news:
                listener()

    def _note(self, subject: str) -> None:
        super()._note(subject)
        self._noted = True

    async def poll(self, cursor: Any) -> LogPage:
        if not self._epoch:
            self._begin_epoch()
        return await super().poll(cursor)

    def _begin_epoch(self) -> None:
        self._epochs += 1
        self._epoch = f"epoch {self._epochs}"

    # --- accidents

    def trim(self) -> None:
        """Forget all entries, however young."""
        self._trim(self._now() + 1)

    def crash(self) -> None:
        """Start again from the disk."""
        self.promote(0)

    @property
    def lives(self) -> int:
        """How many lives there were."""
        return self._lives

    def promote(self, lost: int) -> None:
        """Go back by some commits, as to a replica that had not got them; positions are used again.

        Who reads before the first poll still sees the epoch that was replicated.
        """
        self._lives += 1
        self._load(self._backups[-1 - min(lost, len(self._backups) - 1)])
        self._epoch = self._replicated_epoch()
        self._backups = [self._saved()]
        self.observe()

    def _replicated_epoch(self) -> str:
        return ""

    def _saved(self) -> Any:
        return (dict(self._rows), list(self._log), self._floor, self._position)

    def _load(self, saved: Any) -> None:
        rows, log, self._floor, self._position = saved
        self._rows, self._log = dict(rows), list(log)


class SQLiteLike(Authority):
    """One file: whoever looks sees at once that something was committed. A restored file is another epoch."""

    pushes_changes = False
    notices_changes = True

    def _replicated_epoch(self) -> str:
        self.commits += 1
        self._begin_epoch()
        return self._epoch


class ValkeyLike(Authority):
    """The epoch's name is replicated, and belongs to the server that gave it: the first poll of another renames it."""

    def __init__(self, world: World, random: Random) -> None:
        super().__init__(world, random)
        self._server = 0
        self._named_by = -1

    async def poll(self, cursor: Any) -> LogPage:
        if self._named_by != self._server:
            self._named_by = self._server
            self._begin_epoch()
        return await super().poll(cursor)

    def _replicated_epoch(self) -> str:
        self._server += 1
        return self._epoch


class Snapshot(NamedTuple):
    """What a transaction sees: all numbers below `upper` but those in `open`."""

    upper: int
    open: tuple[int, ...]

    @property
    def lower(self) -> int:
        """The oldest number that has not ended, as pg_snapshot_xmin."""
        return min(self.open, default=self.upper)

    def __str__(self) -> str:
        return f"{self.lower}:{self.upper}:{','.join(map(str, self.open))}"


class Replayed(NamedTuple):
    """What a replica stands at."""

    at: int
    rows: Mapping[bytes, Record]
    as_of: int
    epoch: str


class PostgreSQLLike(Authority):
    """Positions are transaction numbers, and several transactions are open at once."""

    def __init__(self, world: World, random: Random) -> None:
        self._next = self._upper = 3
        self._durable = 2
        self._open: set[int] = set()
        self._mine = 0
        self._life = 0
        self._logged_epoch = ""
        self.lag = 0
        self.replicas_clock = 0
        super().__init__(world, random)
        self.capabilities = self.capabilities._replace(replica=True)
        self._replayed = [self._to_replay()]
        self._asked = asked_with(self._rows_of)

    def _saved(self) -> Any:
        return (*super()._saved(), self._durable, self._logged_epoch)

    def _load(self, saved: Any) -> None:
        """All that was open is gone, and so are the numbers that no commit has written to the disk."""
        *memory, self._durable, self._logged_epoch = saved
        super()._load(memory)
        self._next = self._upper = self._durable + 1
        self._open.clear()
        self._life += 1
        self._replayed = [self._to_replay()]

    # --- transactions

    @property
    def snapshot(self) -> Snapshot:
        """What somebody sees who begins now."""
        return Snapshot(self._upper, tuple(sorted(number for number in self._open if number < self._upper)))

    def as_of(self) -> int:
        """Return the position of a copy that is read now."""
        return self.snapshot.lower

    def begin(self) -> int:
        """Open a transaction that writes."""
        number, self._next = self._next, self._next + 1
        self._open.add(number)
        return number

    def end(self, number: int) -> None:
        """End a transaction."""
        self._open.discard(number)
        self._upper = max(self._upper, number + 1)

    async def change(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        life, number = self._life, self.begin()
        try:
            slow = self.random.random() < 0.1
            await asyncio.sleep(self.random.uniform(0, 3) if slow else self.random.expovariate(200))
            self._check_life(life)
            self._mine = number
            result = await getattr(self, name)(*arguments, **options)
        except BaseException:
            if life == self._life:
                self.end(number)
            raise
        self.end(number)
        self._durable = max(self._durable, number)
        self._committed()
        return result

    def _check_life(self, life: int) -> None:
        if life != self._life:
            raise Unavailable("the server has crashed")

    async def write_long(self, seconds: float) -> None:
        """Keep a transaction open that has nothing to do with sessions."""
        life, number = self._life, self.begin()
        await asyncio.sleep(seconds)
        if life == self._life:
            self.end(number)

    def _committed(self) -> None:
        super()._committed()
        self._replayed = [*self._replayed[-50:], self._to_replay()]

    # --- the log

    def _note(self, subject: str) -> None:
        self._log.append((Entry(self._mine, subject), self._now()))
        self._noted = True

    def _trim(self, horizon: int) -> None:
        below = self.snapshot.lower
        gone = [entry.position for entry, at in self._log if at < horizon and entry.position < below]
        self._floor = max(self._floor, *(position + 1 for position in gone), 0)
        self._log = [line for line in self._log if line[0].position not in gone]

    def _reading(self, record: Record | None) -> Reading:
        return Reading(self._epoch, self.as_of(), self.world.now(), record)

    async def poll(self, cursor: Any) -> LogPage:
        return await self._asked.poll(cursor)

    def _rows_of(self, statement: Statement) -> Sequence[Row]:
        """Answer the statements of the real store's poll."""
        told = (self._epoch or None, str(self.snapshot), self.world.now() // 1000)
        if statement.sql == "begin_epoch":
            self._begin_epoch()
            self._logged_epoch = self._epoch
            self._replayed.append(self._to_replay())
            return ()
        if statement.sql == "head":
            return [(*told, max([self._floor, *(entry.position + 1 for entry, _ in self._log)]))]
        first, still_open, limit = (statement.parameters[name] for name in ("first", "open", "limit"))
        found = [entry for entry, _ in self._log if entry.position >= first or entry.position in still_open]
        return [(*told, self._floor, *entry) for entry in found[:limit]] or [(*told, self._floor, None, None)]

    def _replicated_epoch(self) -> str:
        return ""  # the table that holds it is unlogged

    # --- the replica

    def _to_replay(self) -> Replayed:
        return Replayed(self.world.time, dict(self._rows), self.as_of(), self._logged_epoch)

    async def read_nearby(self, token_hash: bytes) -> Reading | None:
        reached = [state for state in self._replayed if state.at <= self.world.time - self.lag]
        if not reached:
            return None
        state = reached[-1]
        now = self.world.now() + self.replicas_clock
        return Reading(state.epoch, state.as_of, now, state.rows.get(token_hash))


class _Statements(dict[str, str]):
    """Each statement is its own name."""

    def __missing__(self, name: str) -> str:
        return name


def asked_with(rows_of: Callable[[Statement], Sequence[Row]]) -> AsyncPostgreSQLStore:
    """Return the real store, with a model in the place of the server."""

    class Server:
        async def ask(self, make: Callable[[], Operation[Any]]) -> Any:
            return run(make(), rows_of)

        transaction = ask

    store: Any = AsyncPostgreSQLStore("postgresql://authority/sessions")
    store._statements = _Statements()
    store._reserved = store._connections = Server()
    asked: AsyncPostgreSQLStore = store
    return asked


def run(operation: Operation[Any], rows_of: Callable[[Statement], Sequence[Row]]) -> Any:
    """Run a store's operation on a model of the server."""
    try:
        statement = next(operation)
        while True:
            statement = operation.send(rows_of(statement))
    except StopIteration as end:
        return end.value

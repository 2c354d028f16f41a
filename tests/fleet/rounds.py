"""One round: sessions are watched by every worker, some of them end while something is broken, and all is counted."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from coatcheck import CacheSettings, Sessions
from coatcheck.stores.urls import store_from_url
from tests.fleet.fleet import LEASE, Shell, fleet
from tests.fleet.worker import KEYS
from tests.processes.fleet import now
from tests.processes.rounds import LIVE, End, timed
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from coatcheck import Created
    from tests.processes.fleet import Fleet, Process
    from tests.servers.postgresql import PostgreSQL

DOOMED = 12
"""Sessions of a round that end: half of them by the API, half by SQL."""

_LOOK = 0.02
_PATIENCE = 30.0
"""Seconds until a round is given up: for a machine with much else to do, many times what it takes."""

_MS = 1e6


class Scene:
    """The fleet, who ends sessions, and where it is written what came out."""

    def __init__(
        self, workers: Fleet, sessions: Sessions, shell: Shell | None, show: Callable[[str], None], bound: float
    ) -> None:
        self.workers = workers
        self.sessions = sessions
        self.shell = shell
        self.show = show
        self.bound = bound

    def end_by_sql(self, created: Created) -> None:
        """Type it into psql."""
        assert self.shell is not None
        self.shell.type(f"DELETE FROM coatcheck_sessions WHERE id = '{created.session.id}'")  # noqa: S608 - our own id

    def end_by_api(self, created: Created) -> None:
        """Revoke it."""
        assert self.sessions.revoke(created.token)

    def silence(self) -> None:
        """Let the database notify nobody any more: whatever ends now, workers learn only by asking."""
        assert self.shell is not None
        self.shell.type("ALTER TABLE coatcheck_log DISABLE TRIGGER coatcheck_logged")

    @contextmanager
    def round(self, name: str, *, doomed: int = DOOMED, answers: bool = True) -> Iterator[Round]:
        """Have sessions watched; afterwards say what was seen, and verify what holds under every fault.

        Args:
            name: Of the fault.
            doomed: How many sessions may end.
            answers: Whether the authority can be asked all the time, so that nobody may be told that it cannot.
        """
        current = Round(self, [self.sessions.create("anna") for _ in range(doomed + 1 + LIVE)])
        with ThreadPoolExecutor(1) as current.thread:
            yield current
            current.finish()
        current.verify(name)
        assert not (answers and current.seen().unavailable)


class Seen(NamedTuple):
    """What all workers have seen, times in milliseconds.

    Attributes:
        api: How long after the commit the last acceptance of a session began that the API had ended.
        sql: The same for those ended by SQL.
        after: How many acceptances began after the commits.
        waited: How many began after `revoke(wait=True)` had returned.
        unavailable: How many calls were told that nobody knows.
        slowest: The longest that a session which was accepted had to wait.
    """

    api: float
    sql: float
    after: int
    waited: int
    unavailable: int
    slowest: float


class Round:
    """The sessions of one round: those that end, the one whose end is waited for, and those that live."""

    def __init__(self, scene: Scene, created: Sequence[Created]) -> None:
        self.scene = scene
        self.doomed, self.waited, self.living = created[: -LIVE - 1], created[-LIVE - 1], created[-LIVE:]
        self.thread: ThreadPoolExecutor
        self.tallies: list[dict[str, Any]] = []
        self._asked = [0] * len(created)
        self._ends = [0] * len(created)
        self._kinds: list[str] = [""] * len(created)
        self._waiting: Future[End] | None = None
        tokens = [each.token.reveal() for each in created]
        self._living = range(len(created) - LIVE, len(created))
        assert all(answer == {"watching": True} for answer in self.workers.ask("watch", tokens=tokens))

    @property
    def workers(self) -> Fleet:
        return self.scene.workers

    # --- ending

    def end(self, *, by: str = "both", some: slice = slice(None)) -> None:
        """End sessions, one after the other, and note when each of it was committed."""
        for index in range(len(self.doomed))[some]:
            kind = ("api", "sql")[index % 2] if by == "both" and self.scene.shell else by.replace("both", "api")
            call = self.scene.end_by_api if kind == "api" else self.scene.end_by_sql
            self._note(index, kind, timed(partial(call, self.doomed[index])))

    def ended_by_hand(self, index: int, *, asked: int, commit: Callable[[], object]) -> None:
        """Note the end of one that somebody has deleted and not yet committed."""
        self._note(index, "sql", End(asked, timed(commit).committed))

    def end_and_wait(self) -> None:
        """End one more with `wait=True`, which takes a while."""
        call = partial(self.scene.sessions.revoke, self.waited.token, wait=True)
        self._waiting = self.thread.submit(timed, call)

    def until_waited(self) -> float:
        """Return when the one that is waited for has returned: after how many seconds."""
        assert self._waiting is not None
        end = self._waiting.result(DEADLINE)
        return (end.committed - end.asked) / 1e9

    def until_committed(self) -> None:
        """Return when the end that is waited for is in the database."""
        until(lambda: self.scene.sessions.find(self.waited.session.id) is None, "the end is committed")

    def _note(self, index: int, kind: str, end: End) -> None:
        self._asked[index], self._ends[index] = end
        self._kinds[index] = kind

    # --- looking

    def look(self, workers: Sequence[Process] | None = None) -> list[dict[str, Any]]:
        """Ask workers what they have seen so far."""
        for worker in workers or self.workers.workers:
            worker.tell("look")
        return [worker.hear() for worker in workers or self.workers.workers]

    def until(self, event: Callable[[dict[str, Any]], bool], workers: Sequence[Process] | None = None) -> None:
        """Return when all of these workers have seen something."""
        end = time.monotonic() + _PATIENCE
        while not all(map(event, seen := self.look(workers))):
            assert time.monotonic() < end, seen
            time.sleep(_LOOK)

    def until_refused(self, workers: Sequence[Process] | None = None) -> None:
        """Return when everything that ended has been refused by all of these workers, after its end."""
        ended = [(index, end) for index, end in enumerate(self._ends) if end and index not in self._living]
        self.until(lambda seen: all(seen["first_refused"][index] for index, _ in ended), workers)

    def until_served(self, workers: Sequence[Process] | None = None) -> None:
        """Return when all that lives has been accepted again by all of these workers."""
        moment = now()
        self.until(lambda seen: all(seen["last_accepted"][index] > moment for index in self._living), workers)

    def until_unavailable(self, workers: Sequence[Process] | None = None) -> None:
        """Return when these workers have said of all that lives that nobody knows."""
        moment = now()
        self.until(lambda seen: all(seen["last_unavailable"][index] > moment for index in self._living), workers)

    # --- counting

    def finish(self) -> None:
        """End the watching, and gather what was seen."""
        if self._waiting is not None:
            self._note(self._living[0] - 1, "waited", self._waiting.result(DEADLINE))
        self.tallies = self.workers.ask("stop", ends=self._ends)

    def delays(self, kind: str) -> list[float]:
        """Return for each end how long after its commit the last acceptance anywhere began."""
        ended = [(index, end) for index, end in enumerate(self._ends) if self._kinds[index] == kind]
        last = {index: max(tally["last_accepted"][index] for tally in self.tallies) for index, _ in ended}
        return [max(0, last[index] - end) / _MS for index, end in ended]

    def seen(self) -> Seen:
        """Sum it up."""
        tallies = self.tallies
        after = dict.fromkeys(("", "api", "sql", "waited"), 0)
        for tally in tallies:
            for kind, number in zip(self._kinds, tally["after"], strict=True):
                after[kind] += number
        return Seen(
            api=max(self.delays("api"), default=0),
            sql=max(self.delays("sql"), default=0),
            after=after["api"] + after["sql"],
            waited=after["waited"],
            unavailable=sum(tally["unavailable"] for tally in tallies),
            slowest=max(tally["slowest"] for tally in tallies) / _MS,
        )

    def verify(self, name: str) -> None:
        """Say what was seen, and verify what holds under every fault."""
        seen, bound = self.seen(), self.scene.bound * 1000
        ways = [f"API {seen.api:.1f} ms"] * ("api" in self._kinds) + [f"SQL {seen.sql:.1f} ms"] * ("sql" in self._kinds)
        self.scene.show(
            f"{name}: last acceptance after the commit: {', '.join(ways) or 'none'} (bound {bound:.0f}); {seen.after} "
            f"acceptances after commits, {seen.waited} after wait=True; longest wait of a valid session "
            f"{seen.slowest:.0f} ms; {seen.unavailable} times unavailable"
        )
        for tally in self.tallies:
            assert tally["errors"] == []
            assert [tally["first_refused"][index] for index in self._living] == [0] * LIVE, "a valid one was refused"
            for asked, end, refused in zip(self._asked, self._ends, tally["first_refused"], strict=True):
                assert not end or refused >= asked, "refused before its end, or not at all after it"
            assert tally["accepted"]
        assert seen.api <= bound
        assert seen.sql <= bound
        assert seen.waited == 0


@contextmanager
def scene(
    url: str,
    show: Callable[[str], None],
    *,
    server: PostgreSQL | None = None,
    through: Sequence[str] | None = None,
    lease: float = LEASE,
    stale: float = 0,
    **settings: Any,
) -> Iterator[Scene]:
    """Set the scene.

    Args:
        url: The store, which must have no tables yet.
        show: Prints a line.
        server: Where to type SQL, if the store has a shell.
        through: Where each of the workers finds the store, if not there.
        lease: Of all of them.
        stale: How long the workers serve known copies beyond it.
        **settings: The workers' others.
    """
    with ExitStack() as stack:
        cache = CacheSettings(lease=timedelta(seconds=lease), serve_stale_for=timedelta(seconds=stale))
        sessions = stack.enter_context(Sessions(store_from_url(url), cache=cache, keys=KEYS))
        database = url.rpartition("/")[2]
        shell = None if server is None else stack.enter_context(Shell(server, database))
        workers = stack.enter_context(fleet(through or url, lease=lease, stale=stale, **settings))
        yield Scene(workers, sessions, shell, show, lease + stale)

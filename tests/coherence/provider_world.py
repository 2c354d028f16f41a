"""The world in which a provider's sessions are searched for mistakes: the provider, a log, a shared cache, workers.

There is one session. The provider has it or not, and what it says of it has a number that grows with each change. When
it ends and when somebody says so are two things, in an order that each way of ending has for itself.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from coatcheck import AsyncProviderSessions, NotSignedIn, ProviderSettings, Session, SharedCacheSettings, Unavailable
from coatcheck._async import log_reader, provider_reads
from coatcheck.core.coherence import Entry, Knowledge, session_subject
from coatcheck.core.endings import login_tag
from coatcheck.core.identities import ProviderAnswer, identity
from coatcheck.core.session import copy_in
from coatcheck.core.times import from_micros
from coatcheck.core.users import User
from tests.coherence import value_world
from tests.coherence.stepwise import Way
from tests.coherence.value_world import KEYS, LEASE, TICK, Authority, SharedCache, Store, World

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from tests.coherence.stepwise import Errand

TOKEN = b"a-token"
SESSION = "session"
USER = "ada"
LOGIN = ("https://op.example", "sid")

DOUBT = 1
"""Ticks for which an answer about a doubted user is kept."""

_START = from_micros(0)


@dataclass(frozen=True)
class Scenario(value_world.Scenario):
    """Who takes part, as with values; and what becomes of the session at the provider.

    Attributes:
        trigger: Whether the session is ended there by somebody else, and its database's trigger writes the log.
        silent: Whether it is ended there, and nobody says so.
        told: Whether it is ended there after we were told so.
        changes_of_user: How often what it says of the user changes, before somebody here says so.
        refused: Whether it refuses the token at first.
        refused_for: For how many ticks that is remembered.
        ttl: For how many ticks an answer may be served.
        stale: For how many more, while the provider fails.
        losses: How often somebody gives up waiting for a sign-out.
    """

    changes: tuple[str, ...] = ()
    trigger: bool = False
    silent: bool = False
    told: bool = False
    changes_of_user: int = 0
    refused: bool = False
    refused_for: int = 0


class Log(Authority):
    """The log."""

    def write(self, number: int, subjects: Sequence[str]) -> None:
        """Let everybody see what a transaction has written."""
        self.open = tuple(other for other in self.open if other != number)
        self.upper = max(self.upper, number + 1)
        self.log = (*self.log, *(Entry(number, subject) for subject in subjects))
        self.commits += 1

    def commit(self, number: int, subject: str, now: int) -> None:
        """Write about another."""
        self.write(number, [session_subject(subject)])


@dataclass
class Upstream:
    """What the provider has, and what was said of it.

    Attributes:
        signed_in: Whether it accepts the token.
        version: What it says of the user.
        ended_at: When it has ended the session.
        said: When it was said that this session is refused from then on.
        told_of_user: When it was said that the user's sessions are about to end.
        oldest: When it was said that what was known before each version is outdated.
        invited: When it was first said that the provider is to be asked about a token that it had let in.
        doubtful: Whether it was ever said that it has ended: whoever knows so may refuse it before the provider does.
        early: Whether somebody here said so of a session that the provider had, and nobody had told them to.
        asked: How many ask it at this moment, by worker.
    """

    signed_in: bool
    version: int = 0
    ended_at: int | None = None
    said: tuple[int, ...] = ()
    told_of_user: int | None = None
    oldest: tuple[tuple[int, int], ...] = ()
    invited: int | None = None
    doubtful: bool = False
    early: bool = False
    asked: dict[int, int] = field(default_factory=dict[int, int])

    def state(self) -> Hashable:
        return (
            self.signed_in,
            self.version,
            self.ended_at,
            self.said,
            self.told_of_user,
            self.oldest,
            self.invited,
            self.doubtful,
            tuple(sorted(self.asked.items())),
        )


class ProviderWorld(World):
    """Everything, at one moment."""

    scenario: Scenario
    authority: Log

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self.authority = Log(highest=scenario.highest)
        self.upstream = Upstream(signed_in=not scenario.refused)
        self.failed = False

    def worker(self, number: int) -> Any:
        return Worker(self, number)

    # --- what must hold for who asks now

    def since(self, moment: int) -> bool:
        """Tell whether everybody knows by now what was written at a moment."""
        return self.scenario.notices or moment + LEASE <= self.now

    def refuses(self) -> bool:
        """Tell whether who asks now must be refused."""
        there = self.upstream
        if any(map(self.since, there.said)):
            return True
        if there.ended_at is None:
            return False
        if there.told_of_user is not None and self.since(there.told_of_user):
            return there.ended_at + DOUBT * TICK <= self.now
        return there.ended_at + (self.scenario.ttl + self.scenario.stale) * TICK <= self.now

    def accepts(self) -> bool:
        """Tell whether who asks now must be accepted."""
        there = self.upstream
        if there.doubtful or there.ended_at is not None or not there.signed_in:
            return False
        return not self.scenario.refused or (there.invited is not None and self.since(there.invited))

    def oldest(self) -> int:
        """Return the number of the oldest thing that who asks now may be told of the user."""
        return max((version for version, said in self.upstream.oldest if self.since(said)), default=0)

    # --- what happens there

    def end(self) -> None:
        """End the session at the provider."""
        if self.upstream.ended_at is None:
            self.upstream.ended_at = self.now

    def entered(self, number: int, subjects: Sequence[str]) -> None:
        """Commit entries, and note what they promise."""
        there = self.upstream
        self.authority.write(number, subjects)
        if any(subject[0] == "d" for subject in subjects):
            there.told_of_user = self.now
        elif there.ended_at is not None or any(subject[0] == "e" for subject in subjects):
            there.said = (*there.said, self.now)
        there.doubtful |= any(subject[0] in "de" for subject in subjects)
        there.early |= there.ended_at is None and not self.scenario.told and "e" in {each[0] for each in subjects}
        there.oldest = (*there.oldest, (there.version, self.now))
        if there.signed_in and there.invited is None:
            there.invited = self.now

    def forget(self) -> None:
        """The log is gone: what was said of a session that the provider still has is forgotten."""
        self.upstream.told_of_user = None
        if self.upstream.ended_at is None:
            self.upstream.said = ()
            for worker in self.workers:
                for asked in worker.unfinished:
                    asked.refuse = False

    def knows(self, value: object) -> Hashable:
        if isinstance(value, (list, tuple)):
            return tuple(self.knows(each) for each in value)
        if isinstance(value, Session):
            return copy_in(value)
        if isinstance(value, (NotSignedIn, timedelta)):
            return value
        if isinstance(value, Asked):
            return (value.kind, value.refuse, value.accept, value.oldest, value.began)
        if isinstance(value, Knowledge):
            now = any(value is worker.log.knowledge for worker in self.workers)
            return ("knowledge", value.epoch, now)
        return super().knows(value)


class WritableStore(Store):
    """The log, as one worker sees it, who may write into it too."""

    async def invalidate(self, subjects: Any, *, connection: Any = None) -> None:
        world: ProviderWorld = self._world  # type: ignore[assignment]

        def ways(errand: Errand) -> list[Way]:
            if errand.state is None and world.scenario.transactions:
                found = [Way("begins", lambda: setattr(errand, "state", world.authority.begin()))]
            else:
                found = [Way("commits", lambda: self._commit(errand, subjects))]
            if world.may("outages") and errand.state is None:
                found.append(Way("is lost", lambda: self._fail(errand), fault=True))
            return found

        await world.errand(self._who, f"entry {''.join(subject[0] for subject in subjects)}", ways)

    def _commit(self, errand: Errand, subjects: Sequence[str]) -> None:
        world: ProviderWorld = self._world  # type: ignore[assignment]
        number = errand.state if isinstance(errand.state, int) else world.authority.begin()
        world.entered(number, subjects)
        errand.answer(None)

    def _fail(self, errand: Errand) -> None:
        self._world.failed = True  # type: ignore[attr-defined]
        super()._fail(errand)


class Provider:
    """The provider, as one worker sees it."""

    name = "searched"
    conditions = ""
    cookies = ()
    bearer = None
    marks_bearer = False
    available = True

    def __init__(self, world: ProviderWorld, who: int) -> None:
        self._world = world
        self._who = who
        self.revalidate_after = _duration(world.scenario.ttl)

    def well_formed(self, presented: bytes) -> bool:
        return bool(presented)

    def forked(self) -> None:
        """Drop nothing."""

    async def identify(self, presented: bytes) -> ProviderAnswer:
        world = self._world
        there = world.upstream

        def ways(errand: Errand) -> list[Way]:
            if errand.state is not None:
                return [Way("lands", lambda: errand.answer(errand.state))]
            found = [Way("is answered", lambda: self._answer(errand))]
            if world.may("failures"):
                found.append(Way("fails", lambda: self._fail(errand), fault=True))
            return found

        there.asked[self._who] = there.asked.get(self._who, 0) + 1
        world.loads += 1
        try:
            version: int = await world.errand(self._who, "question", ways)
        finally:
            there.asked[self._who] -= 1
        if version < 0:
            return ProviderAnswer(NotSignedIn.UNKNOWN)
        ends_at = _START + timedelta(days=10_000)
        record = identity(SESSION, User(USER), created_at=_START, ends_at=ends_at, data={"version": version})
        return ProviderAnswer(record, tags=(login_tag(*LOGIN),))

    def _answer(self, errand: Errand) -> None:
        there = self._world.upstream
        errand.state = -1 if there.ended_at is not None or not there.signed_in else there.version

    def _fail(self, errand: Errand) -> None:
        self._world.spend("failures")
        self._world.failed = True
        self._world.seen.add("provider fails")
        errand.fail(Unavailable("the provider does not answer"))

    async def sign_out(self, presented: bytes) -> tuple[bytes, ...]:
        world = self._world

        def ways(errand: Errand) -> list[Way]:
            if errand.state is None:
                found = [Way("ends it", lambda: self._end(errand))]
            else:
                found = [Way("is answered", lambda: errand.answer(None))]
            if world.may("failures"):
                found.append(Way("fails", lambda: self._fail(errand), fault=True))
            if world.may("losses"):
                found.append(Way("is given up", lambda: self._give_up(errand), fault=True))
            return found

        await world.errand(self._who, "sign-out", ways)
        return ()

    def _end(self, errand: Errand) -> None:
        self._world.end()
        errand.state = "ended"

    def _give_up(self, errand: Errand) -> None:
        self._world.spend("losses")
        self._world.failed = True
        assert errand.task is not None
        errand.task.cancel()


class Worker:
    """One process."""

    def __init__(self, world: ProviderWorld, who: int) -> None:
        scenario = world.scenario
        self._world = world
        self.who = who
        self.alive = True
        self.was_refused = False
        self.todo: Sequence[str] = scenario.requests[who]
        self.unfinished: list[Asked] = []
        store: Any = WritableStore(world, who)
        shared: Any = SharedCache(world, who) if scenario.shared else None
        provider: Any = Provider(world, who)
        self.sessions = AsyncProviderSessions(
            provider,
            store,
            settings=ProviderSettings(
                lease=_duration(1),
                refused_for=_duration(scenario.refused_for),
                serve_stale_for=_duration(scenario.stale),
            ),
            shared_cache=shared,
            shared_cache_settings=SharedCacheSettings(timeout=timedelta(seconds=1)) if shared else None,
            keys=KEYS if shared else None,
            clock=world.clock,
        )
        self.reads = self.sessions._reads
        self.log = self.sessions._log
        parts = (self.sessions, self.reads, self.log, provider, store, self.sessions.tiers.shared)
        world.parts |= {id(part): who for part in (self, *parts) if part is not None}

    def ask(self) -> None:
        """Let the next request begin."""
        kind, *self.todo = self.todo
        world = self._world
        asked = Asked(kind, world.refuses(), world.accepts(), world.oldest(), world.now, self.was_refused)
        asked.task = world.loop.create_task(self.answer(asked))
        self.unfinished.append(asked)

    async def answer(self, asked: Asked) -> None:
        """Answer a request, whatever comes of it."""
        try:
            asked.told = await self._asked(asked.kind)
        except Unavailable as error:
            asked.failed = type(error).__name__

    async def _asked(self, kind: str) -> Session | NotSignedIn | None:
        sessions = self.sessions
        if kind == "get":
            return await sessions.get(TOKEN)
        if kind == "sign out":
            await sessions.sign_out(TOKEN)
        elif kind == "told":
            await sessions.told(("op", "1"), logins=[LOGIN])
        elif kind == "told of the session":
            await sessions.session_ended(SESSION)
        elif kind == "told of the user":
            await sessions.told(("op", "1"), users=[USER])
        elif kind == "invalidate user":
            await sessions.invalidate_user(USER)
        elif kind == "invalidate":
            await sessions.invalidate(TOKEN)
        else:
            await self.log._ask_log()
        return None

    def die(self) -> None:
        """Stop in the middle of everything."""
        self.alive = False
        self.unfinished, self.todo = [], ()

    def served(self) -> int | None:
        """Return what the memory has for a request that begins now; to look leaves everything as it is."""
        young = self.reads.cache.young
        kept = dict(young)
        session = self.sessions.lookup(TOKEN)
        young.update(kept)
        return None if session is None else version_of(session)

    def state(self) -> Hashable:
        knowledge, cache = self.reads.view
        slots = tuple(getattr(knowledge, slot) for slot in value_world._SLOTS)
        entries = (tuple(sorted(knowledge._entries.items())), tuple(sorted(knowledge._moments.items())))
        known = (slots, entries, self.log.failed_at, self.log._poll_failure)
        refused = tuple(self.sessions._refused._young.items())
        flights = tuple(self.reads._flights._flights)
        kept = (tuple(cache.young.items()), tuple(cache._old.items()))
        return (self.alive, tuple(self.todo), known, kept, flights, refused, self.was_refused)


@dataclass(eq=False)
class Asked:
    """A request.

    Attributes:
        kind: What was asked.
        refuse: Whether it must be refused.
        accept: Whether it must be accepted, unless something happens meanwhile.
        oldest: The oldest thing that it may be told of the user.
        began: When it began.
        after_refusal: Whether its worker has refused an earlier request.
        told: What it was told.
        failed: Or why it was not.
    """

    kind: str
    refuse: bool
    accept: bool
    oldest: int
    began: int
    after_refusal: bool
    told: Session | NotSignedIn | None = None
    failed: str = ""
    task: Any = None


def version_of(session: Session) -> int:
    """Return what was said of the user."""
    return int(session.data["version"])


def _duration(ticks: int) -> timedelta:
    return timedelta(microseconds=ticks * TICK // 1000)


@contextmanager
def short_waits() -> Iterator[None]:
    """Let what takes seconds take ticks."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(log_reader, "_RETRY", TICK))
        stack.enter_context(patch.object(provider_reads, "_DOUBTED_FOR", _duration(DOUBT)))
        yield

"""An exhaustive search through the interleavings of a provider's answers and of what ends its sessions.

The workers are real: `AsyncProviderSessions` with their tiers, in an event loop of steps, as in `value_search.py`. A
provider is asked, gives its answer at a moment of its own, and the answer lands at another. How "it ends" and "somebody
says so" follow each other is what tells the providers apart:

    through us      a worker ends it at the provider, and then writes the entry
    trigger         both in one transaction of the provider's database
    back-channel    a worker is told and writes the entry, and then the provider ends it
    silent          nobody says so

In every state that can be reached:
- safety: who asks a lease after it was said (with SQLite: after it was said) is refused, whether the provider knows by
  then or not; who asks `revalidate_after` after it ended is, whatever was said; nobody is told of the user what was
  outdated a lease ago; in one worker nobody is accepted after somebody was refused; and one question is under way;
- liveness: nobody is refused whose session has not ended, nor told of an outage that there is not; if nothing fails any
  more, every request ends, and then the memory has the session, or who asks is refused.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from coatcheck import NotSignedIn, Session
from coatcheck.core.coherence import session_subject
from tests.coherence.provider_world import SESSION, ProviderWorld, short_waits, version_of
from tests.coherence.stepwise import Way
from tests.coherence.value_search import Search, Searched

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from tests.coherence.provider_world import Asked, Scenario, Worker


class ProviderSearched(Searched):
    """One world on its way."""

    scenario: Scenario
    world_of = ProviderWorld

    # --- what can happen now

    def _writers(self) -> Iterator[Way]:
        yield from super()._writers()
        there, scenario = self.world.upstream, self.scenario
        if not there.signed_in:
            yield Way("the provider lets them in", self._sign_in)
            return
        if there.version < scenario.changes_of_user:
            yield Way("the user changes", self._change_user)
        if there.ended_at is not None:
            return
        if scenario.silent or (scenario.told and self._said()):
            yield Way("the provider ends it", self.world.end)
        if scenario.trigger and self.writing is None:
            yield Way("somebody begins to end it there", self._begin_there)

    def _said(self) -> bool:
        there = self.world.upstream
        return bool(there.said) or there.told_of_user is not None

    def _sign_in(self) -> None:
        self.world.upstream.signed_in = True

    def _change_user(self) -> None:
        self.world.upstream.version += 1

    def _begin_there(self) -> None:
        self.writing = "there", self.world.authority.begin()
        if not self.scenario.transactions:
            self._commit()

    def _commit(self) -> None:
        assert self.writing is not None
        _, number = self.writing
        self.writing = None
        self.world.end()
        self.world.entered(number, [session_subject(SESSION)])

    def _restore(self) -> None:
        self.others = ()
        self.writing = None
        self.world.forget()
        self.world.authority.restore()
        for errand in self.world.waiting():
            if errand.name.startswith("entry"):
                errand.state = None

    def _spend(self, name: str, do: object) -> None:
        if name == "trims":
            self.world.forget()
        super()._spend(name, do)

    def _accidents(self) -> Iterator[Way]:
        if self.world.left.deaths:
            for worker in self.world.workers:
                if worker.alive and worker.unfinished:
                    yield Way(f"{worker.who} dies", partial(self._spend, "deaths", worker.die))

    def settle(self) -> None:
        super().settle()
        if any(count > 1 for count in self.world.upstream.asked.values()):
            self.fail("one worker has two questions under way")
        if self.world.upstream.early:
            self.fail("a session is said to have ended, and it has not")

    # --- what must hold

    def _check(self, worker: Worker, asked: Asked) -> None:  # type: ignore[override]
        there = self.world.upstream
        gone = asked.task.cancelled() or bool(asked.failed)
        if gone:
            if not self.world.failed:
                self.fail(f"worker {worker.who} fails, and nothing has failed")
        elif (error := asked.task.exception()) is not None:
            self.fail(f"worker {worker.who} raises {error!r}")
        if asked.kind == "sign out" and there.ended_at is not None and self.scenario.outages == 0:
            # Whoever has called it may rely on it, also where it has failed after the provider had done its part.
            there.said = (*there.said, self.world.now)
        if asked.kind != "get" or gone:
            return
        if isinstance(asked.told, Session):
            self.seen.add("accepted")
            self._check_accepted(worker, version_of(asked.told), asked.oldest, refuse=asked.refuse)
            if asked.after_refusal and not self.scenario.shared:
                self.fail(f"worker {worker.who} accepts what it has refused before")
        else:
            self.seen.add("refused")
            assert isinstance(asked.told, NotSignedIn)
            if asked.accept and self.world.accepts():
                self.fail(f"worker {worker.who} refuses a valid session")
            worker.was_refused |= there.ended_at is not None

    def _check_accepted(self, worker: Worker, version: int, oldest: int, *, refuse: bool) -> None:
        there = self.world.upstream
        if refuse:
            self.fail(f"worker {worker.who} accepts a session that has ended")
        if version < oldest:
            self.fail(f"worker {worker.who} tells what is outdated of the user")
        if version:
            self.seen.add("told what is new")
        if there.ended_at is not None:
            self.seen.add("accepted within the bound")

    def check_memory(self) -> None:
        """Look at what a request would be told from memory."""
        world = self.world
        for worker in world.workers:
            if worker.alive and (version := worker.served()) is not None:
                self.seen.add("hit")
                self._check_accepted(worker, version, world.oldest(), refuse=world.refuses())
                if world.authority.epoch > 1 and worker.log.knowledge.epoch == str(world.authority.epoch):
                    self.seen.add("hit in a new epoch")

    def check_liveness(self) -> None:
        """From here on nothing fails: everybody gets an answer, and then the memory has one."""
        self.world.calm = True
        if self.writing is not None:
            self.go(Way("the transaction commits", self._commit))
        for number in self.others:
            self._others_commit(number)
        self.way.append("and if nothing fails any more")
        self._finish(self.world.workers)
        self.world.pass_time(2 + self.scenario.refused_for)
        for worker in self.world.workers:
            if worker.alive:
                self._check_end(worker)

    def _check_end(self, worker: Worker) -> None:
        told: Any = None
        asked = 0
        for _ in range(2):
            asked = self.world.loads
            worker.todo = ("get",)
            worker.ask()
            mine = worker.unfinished[-1]
            self._finish([worker])  # type: ignore[list-item]
            told = mine.told
        kept = self.world.loads == asked and worker.served() is not None
        if self.world.accepts() and not (told and (kept or not self.scenario.ttl)):
            self.fail(f"the memory of worker {worker.who} has nothing,")
        if self.world.refuses() and told:
            self.fail(f"worker {worker.who} accepts in the end what has ended")

    def state(self) -> Hashable:
        return super().state(), self.world.upstream.state(), self.world.failed


class ProviderSearch(Search):
    """All states of one scenario."""

    searched = ProviderSearched

    def run(self) -> ProviderSearch:
        with short_waits():
            super().run()
        return self

    def deeply(self) -> None:
        with short_waits():
            super().deeply()

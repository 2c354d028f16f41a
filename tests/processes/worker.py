"""A worker process: it does what it is told on its standard input, one JSON object in a line, and answers likewise.

Run as `python -m tests.processes.worker`. Times are nanoseconds of the clock that all processes share.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import sqlite3
import sys
import threading
import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from coatcheck import AsyncSessions, CacheSettings, LimitReached, Policy, Session, Sessions, UsersTable
from coatcheck.clock import SystemClock
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.testing import AsyncFaultyStore

if TYPE_CHECKING:
    from collections.abc import Callable

now = SystemClock.monotonic


class Tally:
    """What the validations of some tokens have brought; as much of their log as the checks need.

    A session may be accepted until its end is committed: the begin of the last call that accepted it says whether
    it was. It may be refused from the moment on at which its end is asked for: the end of the first call that
    refused it says whether it was.
    """

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.last_accepted = [0] * len(tokens)
        self.first_refused = [0] * len(tokens)
        self.accepted = 0
        self.refused = 0

    def note(self, index: int, begin: int, *, accepted: bool) -> None:
        if accepted:
            self.accepted += 1
            self.last_accepted[index] = max(begin, self.last_accepted[index])
        else:
            self.refused += 1
            self.first_refused[index] = self.first_refused[index] or now()

    def merged(self, others: list[Tally]) -> dict[str, Any]:
        every = [self, *others]
        refusals = [[tally.first_refused[index] for tally in every] for index in range(len(self.tokens))]
        return {
            "accepted": sum(tally.accepted for tally in every),
            "refused": sum(tally.refused for tally in every),
            "last_accepted": [max(tally.last_accepted[i] for tally in every) for i in range(len(self.tokens))],
            "first_refused": [min(filter(None, times), default=0) for times in refusals],
        }


def listened() -> queue.Queue[str]:
    """Return where the lines of the standard input arrive; with its end this process ends."""
    lines: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)  # whoever has started this process is gone

    threading.Thread(target=listen, daemon=True).start()
    return lines


def work(asynchronous: Any, synchronous: Any) -> None:
    """Be the worker that the first argument describes: made of its settings, on one side or the other."""
    settings = json.loads(sys.argv[1])
    if settings["kind"] == "async":
        asyncio.run(asynchronous(settings).run())
    else:
        synchronous(settings).run()


class Worker:
    """One process that validates."""

    def __init__(self, path: str, kind: str, users: UsersTable | None, lease: float) -> None:
        self.path = path
        self.kind = kind
        cache = CacheSettings(lease=timedelta(seconds=lease))
        self.users = users
        self.cache = cache
        self.sessions = Sessions(SQLiteStore(path, users=users, migrate=False), cache=cache)
        self.commands = listened()

    def run(self) -> None:
        self.sessions.open()
        say(ready=True)
        while True:
            command = json.loads(self.commands.get())
            name = command.pop("do")
            if name == "end":
                break
            say(**getattr(self, name)(**command))
        self.sessions.close()

    def stopped(self) -> bool:
        """Tell whether the next command has come, which ends a loop."""
        return not self.commands.empty()

    # --- validating in a loop

    def validate(self, tokens: list[str]) -> dict[str, Any]:
        """Validate the tokens over and over until told to stop; then each of them once more."""
        tallies: list[Tally] = [Tally(tokens) for _ in range(3 if self.kind != "plain" else 1)]
        if self.kind == "tasks":
            asyncio.run(self._in_tasks(tallies))
        else:
            self._in_threads(tallies)
        self.commands.get()  # the one that has ended the loop
        return tallies[0].merged(tallies[1:])

    def _in_threads(self, tallies: list[Tally]) -> None:
        others = [threading.Thread(target=self._loop, args=(tally,)) for tally in tallies[1:]]
        for thread in others:
            thread.start()
        self._loop(tallies[0], announce=True)
        for thread in others:
            thread.join()

    def _loop(self, tally: Tally, *, announce: bool = False) -> None:
        get = self.sessions.get
        last = False
        while True:
            for index, token in enumerate(tally.tokens):
                begin = now()
                tally.note(index, begin, accepted=isinstance(get(token), Session))
            if announce:
                say(validating=True)
                announce = False
            if last:
                return
            last = self.stopped()

    async def _in_tasks(self, tallies: list[Tally]) -> None:
        store = AsyncSQLiteStore(self.path, users=self.users, migrate=False)
        async with AsyncSessions(store, cache=self.cache) as sessions:
            await asyncio.gather(*(self._task(sessions, tally, announce=tally is tallies[0]) for tally in tallies))

    async def _task(self, sessions: AsyncSessions, tally: Tally, *, announce: bool) -> None:
        last = False
        while True:
            for index, token in enumerate(tally.tokens):
                begin = now()
                session = sessions.lookup(token) or await sessions.get(token)
                tally.note(index, begin, accepted=isinstance(session, Session))
            if announce:
                say(validating=True)
                announce = False
            if last:
                return
            last = self.stopped()
            await asyncio.sleep(0)

    # --- other work

    def revoke_each(self, tokens: list[str]) -> dict[str, Any]:
        """Revoke one after the other, and say so after each."""
        for index, token in enumerate(tokens):
            self.sessions.revoke(token)
            say(revoked=index, at=now())
        return {"done": True}

    def revoke_user(self, user_id: str) -> dict[str, Any]:
        """Revoke all of a user's sessions, in one transaction."""
        say(begun=True)
        return {"revoked": self.sessions.revoke_user(user_id)}

    def revoke_and_wait(self, tokens: list[str]) -> dict[str, Any]:
        """Revoke on a connection of the caller, who never gets around to the commit."""
        with closing(sqlite3.connect(self.path)) as connection:
            for token in tokens:
                self.sessions.revoke(token, connection=connection)
            say(revoked=len(tokens))
            self.commands.get()
        return {}

    def sign_in(self, user_id: str, times: int, limit: int, when_full: Any, start: int) -> dict[str, Any]:
        """Sign a user in several times at once, all processes at the same moment."""
        policy = Policy(max_sessions=limit, when_full=when_full)
        sessions = Sessions(self.sessions.store, policy=policy)
        results: list[dict[str, Any]] = []

        def attempt() -> None:
            wait_until(start)
            try:
                created = sessions.create(user_id)
            except LimitReached as full:
                results.append({"limit": full.limit, "choice": len(full.sessions)})
            else:
                evicted = [session.id for session in created.evicted]
                results.append({"id": created.session.id, "evicted": evicted, "token": created.token.reveal()})

        at_once([attempt] * times)
        return {"results": results}

    def stampede(self, token: str, requests: int) -> dict[str, Any]:
        """Ask for one uncached session many times at once; say how often the store was read."""

        async def run() -> tuple[int, int]:
            store = AsyncFaultyStore(AsyncSQLiteStore(self.path, migrate=False))
            async with AsyncSessions(store) as sessions:
                answers = await asyncio.gather(*(sessions.get(token) for _ in range(requests)))
                return sum(map(bool, answers)), store.count("read")

        answers, reads = asyncio.run(run())
        return {"answers": answers, "reads": reads}

    def write_a_lot(self, user_id: str, times: int, threads: int) -> dict[str, Any]:
        """Create, save, rotate and revoke, and check each time what is there afterwards."""
        errors: list[str] = []

        def work() -> None:
            try:
                for number in range(times):
                    created = self.sessions.create(user_id, data={"n": 0})
                    saved = self.sessions.save(created.session, {"n": number})
                    rotated = self.sessions.rotate(created.token)
                    right = isinstance(saved, Session) and rotated and self.sessions.get(rotated.token)
                    gone = rotated and self.sessions.revoke(rotated.token) and not self.sessions.get(rotated.token)
                    if not (right and gone):
                        errors.append("wrong answer")
            except Exception as error:  # noqa: BLE001 - that there is none is what is tested
                errors.append(repr(error))

        at_once([work] * threads)
        return {"errors": errors}


def at_once(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def wait_until(start: int) -> None:
    """Return at a moment that all processes agree on."""
    while (left := start - now()) > 0:
        time.sleep(left / 2e9)


def say(**answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> None:
    settings = json.loads(arguments[0])
    users = None if settings["users"] is None else UsersTable(**settings["users"])
    Worker(settings["path"], settings["kind"], users, settings["lease"]).run()


if __name__ == "__main__":
    main(sys.argv[1:])

"""A shared cache that lies: altered, swapped, cut and old copies. Whatever it says, the session is the token's own."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from coatcheck import AsyncSessions
from coatcheck.testing import AsyncMemoryCache
from tests.fuzz.shapes import JUNK, near
from tests.fuzz.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "X0PFgLtCTnDsKl8r7WqYw2ZbIuEvHx3Aj5RmNp9Qk1o"
USERS = ("ada", "bob", "ended")


class Lying(AsyncMemoryCache):
    """A cache whose answer to the next question is somebody else's choice."""

    said: bytes | None = None

    async def get(self, key: bytes) -> bytes | None:
        truth = await super().get(key)
        return truth if self.said is None else self.said


class Workers:
    """Sessions behind the cache, and the copies that were put there."""

    def __init__(self, folder: Path) -> None:
        self.cache = Lying()
        self.sessions = AsyncSessions(f"sqlite:///{folder / 'app.db'}", keys=[KEY], shared_cache=self.cache)
        self.tokens: dict[str, str] = {}
        self.copies: list[bytes] = []

    async def open(self) -> None:
        """Sign everybody in, have their copies in the cache, and end one session."""
        await self.sessions.open()
        for user in USERS:
            self.tokens[user] = (await self.sessions.create(user)).token.reveal()
            await self._start_anew()
            assert await self.sessions.get(self.tokens[user])
            await self.sessions.tiers.shared.finish()  # type: ignore[union-attr]
        self.copies = [self.cache._values[key][-1][0] for key in self.cache.keys]
        assert len(self.copies) == len(USERS)
        await self.sessions.revoke(self.tokens["ended"])

    async def _start_anew(self) -> None:
        """Be a process that knows the log, and has nothing in its memory."""
        self.sessions.tiers.forked()
        self.sessions.forked()
        await self.sessions.tiers.log.prove()

    async def seen(self, said: bytes) -> list[str | None]:
        """Return who is signed in by each token, in a process whose memory is empty."""
        before = self.cache.count("get")
        await self._start_anew()
        self.cache.said = said
        found = [await self.sessions.get(token) for token in self.tokens.values()]
        self.cache.said = None
        assert self.cache.count("get") - before == len(USERS), "the cache was asked about each"
        return [session.user_id if session else None for session in found]


# Which copy, cut where, flipped at which bit, with what behind it.
COPIES = st.tuples(
    st.integers(0, len(USERS) - 1),
    st.integers(0, 400),
    st.integers(0, 4000),
    st.booleans(),
    JUNK | near(b"\x01" + bytes(60)),
)


def _altered(copies: list[bytes], sample: tuple[int, int, int, bool, bytes]) -> bytes:
    which, cut, bit, whole, junk = sample
    copy = bytearray(copies[which] if whole else copies[which][:cut])
    if copy and bit < 3000:
        copy[bit // 8 % len(copy)] ^= 1 << bit % 8
    return bytes(copy) + (junk if len(junk) % 2 else b"")


@contextmanager
def _opened(folder: Path) -> Iterator[Callable[[Any], None]]:
    workers = Workers(folder)
    with asyncio.Runner() as runner:
        runner.run(workers.open())

        def check(sample: tuple[int, int, int, bool, bytes]) -> None:
            for said in (_altered(workers.copies, sample), sample[4], workers.copies[sample[0]]):
                assert runner.run(workers.seen(said)) == ["ada", "bob", None]

        try:
            yield check
        finally:
            runner.run(workers.sessions.aclose())


SHARED = Target("shared-copies", COPIES, _opened)

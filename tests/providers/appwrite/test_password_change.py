"""A password is changed or reset: no copy from before is served any more, however long a session can live."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import NotSignedIn
from coatcheck.core.local_cache import key_of
from coatcheck.stores.sqlite.pages import KEEP_LOG
from coatcheck.testing import AsyncMemoryCache, MemoryCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.testing import ManualClock
    from tests.providers.appwrite.worker import Worker
    from tests.servers.appwrite import Appwrite

    Work = Callable[..., Worker]

HOUR = timedelta(hours=1)
LONGEST_SESSION = timedelta(days=365)
"""What Appwrite calls a long session, by default."""

STEPS = [timedelta(seconds=1), timedelta(minutes=4), timedelta(minutes=2), HOUR, HOUR, HOUR]
"""Within the time for which copies are kept, past it, and past that for which the log is."""


class Memory:
    """What an attacker, a backup or a bug puts back into both caches: the copies of before."""

    def __init__(self, cache: Any, worker: Worker, token: str) -> None:
        self._cache = cache
        self._key = key_of(token.encode())
        self._shared = {key: list(values) for key, values in cache._values.items()}
        assert self._shared
        copy = worker.sessions._reads.cache.get(self._key)
        assert copy is not None
        self._copy = copy

    def come_back(self, worker: Worker, clock: ManualClock) -> None:
        """Lie there again, as if just put."""
        later = clock.monotonic() + 10**12
        self._cache._values = {key: [(values[-1][0], later)] for key, values in self._shared.items()}
        worker.sessions._reads.cache.put(self._key, self._copy)


def trimmed(worker: Worker) -> None:
    """Trim the log, as the command `coatcheck sweep` does."""
    worker.wait_for(worker.sessions.store.sweep(1000))


@pytest.mark.parametrize("stale", [timedelta(0), HOUR], ids=["", "serve_stale_for"])
def test_E3_no_copy_from_before_is_served_for_as_long_as_the_longest_session_can_live(
    appwrite: Appwrite, work: Work, clock: ManualClock, kind: str, stale: timedelta
) -> None:
    """Through the log, then through the floor and the bounded life of copies, when the log has been trimmed."""
    cache: Any = (AsyncMemoryCache if kind == "asyncio" else MemoryCache)(clock=clock)
    stolen = appwrite.sign_in(lasts=LONGEST_SESSION)
    options: dict[str, Any] = {"shared_cache": cache, "serve_stale_for": stale, "revalidate_after": HOUR}
    worker, told = work(**options), work(**options)
    worker.session(stolen)
    worker.settle()
    memory = Memory(cache, worker, stolen)
    appwrite.change_password("ada")
    told.do("invalidate_user", "ada")
    passed = timedelta(0)
    steps = iter(STEPS)
    newcomers = 0
    while passed < LONGEST_SESSION:
        newcomers += 1
        new = work(**options) if newcomers % 10 == 1 else told
        for each in (worker, told, new):
            memory.come_back(each, clock)
            asked = len(appwrite.asked)
            assert each.sessions.lookup(stolen) is None
            assert each.get(stolen) is NotSignedIn.UNKNOWN
            assert len(appwrite.asked) in {asked, asked + 1}, "a refusal of a moment ago, or asked"
        step = next(steps, timedelta(days=13, hours=7))
        clock.advance(step)
        passed += step
        trimmed(told)
    assert passed > 10 * timedelta(seconds=KEEP_LOG)


def test_E3_a_session_that_appwrite_lets_live_is_asked_for_again_and_then_kept(
    appwrite: Appwrite, work: Work, clock: ManualClock
) -> None:
    """A project need not end sessions when a password changes; one `invalidate_user` costs each worker one look."""
    secret = appwrite.sign_in()
    worker, other = work(), work()
    worker.session(secret)
    other.session(secret)
    other.do("invalidate_user", "ada")
    for each in (worker, other):
        asked = len(appwrite.asked)
        each.session(secret)
        each.session(secret)
        assert len(appwrite.asked) == asked + 2


def test_E3_a_read_that_began_before_the_password_change_is_not_kept(
    appwrite: Appwrite, work: Work, clock: ManualClock
) -> None:
    """The answer was on its way when it became untrue: it lands late, and loses (N2)."""
    secret = appwrite.sign_in()
    worker, other = work(), work()
    account = appwrite.accounts["ada"]

    def changed_meanwhile(asked: Any) -> None:
        if asked.path.endswith("current"):
            other.do("invalidate_user", "ada")
            appwrite.during = lambda _: None

    appwrite.during = changed_meanwhile
    worker.get(secret)
    account.blocked = True
    assert worker.get(secret) is NotSignedIn.UNKNOWN

"""Where sessions or their log are kept, in words."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeGuard

from coatcheck.describe.words import NONE, Line, Unsafe, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coatcheck.stores.async_protocol import AsyncStore
    from coatcheck.stores.protocol import Store
    from coatcheck.stores.sqlite import SQLiteStore

_NOTHING: Final = timedelta(0)


def store_lines(store: AsyncStore | Store, problems: Sequence[str]) -> Iterator[Line]:
    """Yield where sessions are kept, or the log of what has ended, and what is wrong there."""
    if _is_sqlite(store):
        yield Line("store", f"SQLite, {store.path}")
        users = store.users
        yield Line("store.users", f"table {users.table}" if users else NONE)
    else:
        yield Line("store", type(store).__name__)
    for problem in problems:
        reason, _, fix = problem.partition(": ")
        unsafe = Unsafe(_rule_of(problem), "the store cannot keep its promise", fix or "mend it")
        yield Line("store.problem", reason, unsafe)


def _is_sqlite(store: AsyncStore | Store) -> TypeGuard[SQLiteStore]:
    # By its name: a Worker has no sqlite3 to import for the sake of this question.
    return type(store).__module__.startswith("coatcheck.stores.sqlite.")


def _rule_of(problem: str) -> str:
    """Return the rule that a store's problem breaks: its users' sessions may stay, or sessions may."""
    return "L11" if "user" in problem else "L7"


def bound(store: AsyncStore | Store, lease: timedelta, *, believes_the_log: bool, stale: timedelta = _NOTHING) -> str:
    """Return how long what has ended can still be accepted, by what the store can do.

    Args:
        store: The store with the log.
        lease: How long memory is trusted.
        believes_the_log: Whether anything but the authority itself may answer.
        stale: For how much longer memory answers without a look at the store.
    """
    can = store.capabilities
    longest = f"at most {in_words(lease + stale)}"
    if can.eventual:
        return "about 60 seconds, and not promised: the store is consistent only after a while"
    if can.notices_changes or not believes_the_log or not lease:
        at_once = "0: from the next request on, in every process"
        return f"{at_once}; {longest} while the store does not answer" if stale else at_once
    return f"{longest} under any fault, milliseconds without one" if can.pushes_changes else longest

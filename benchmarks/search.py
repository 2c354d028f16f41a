"""What the console asks of a store with very many sessions: pages of the list, filters, counts, and the preview."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from time import perf_counter_ns
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.crowd import crowd_in_postgresql, crowd_in_sqlite, crowd_in_valkey
from benchmarks.report import Goal, Report, millis
from benchmarks.scale import scaled
from coatcheck import AsyncSessions, AsyncSessionSearch, Filter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    Asked = Callable[["Site"], Awaitable[object]]

_SQL, _KEYS = 1_000_000, 200_000
_ROUNDS = 3
_PAGE = 50
_COUNTED = 10_000
_LIMIT = 50.0
"""Milliseconds of what the console asks for each time that it shows or renews the list."""

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Site(NamedTuple):
    """A store with a crowd in it.

    Attributes:
        search: Searches it.
        now: When the crowd was made.
    """

    search: AsyncSessionSearch
    now: datetime

    def users(self, **more: object) -> Filter:
        """Return a filter as the console has it: who has signed in, and whatever is given besides."""
        return Filter(**{"signed_in": True, **more})  # type: ignore[arg-type]


LIST = "list: latest activity first"
COUNT = "count, as far as the list does"


def _found(**more: object) -> Asked:
    return lambda site: site.search.find(site.users(**more), limit=_PAGE)


CASES: dict[str, Asked] = {
    LIST: _found(),
    COUNT: lambda site: site.search.count(site.users(), at_most=_COUNTED),
    "list: last used two weeks ago": lambda site: site.search.find(
        site.users(active_before=site.now - 14 * DAY), limit=_PAGE
    ),
    "list: used in the last hour": lambda site: site.search.find(site.users(active_since=site.now - HOUR), limit=_PAGE),
    "list: begun in the last hour": lambda site: site.search.find(
        site.users(created_since=site.now - HOUR), limit=_PAGE
    ),
    "list: of one user": _found(user_id="user-1000"),
    "list: visitors who have not signed in": _found(signed_in=False),
    "list: a text that many have": _found(text="LINUX"),
    "list: a text that nobody has": _found(text="no such name"),
    "preview: how many": lambda site: site.search.count(site.users()),
    "preview: of how many users": lambda site: site.search.count_users(site.users()),
    "preview: how many have a text": lambda site: site.search.count(site.users(text="LINUX")),
}


async def run() -> list[Report]:
    """Ask three stores, one after the other."""
    sql, keys = scaled(_SQL, least=3_000), scaled(_KEYS, least=2_000)
    async with AsyncExitStack() as stack:
        stores = {
            f"SQLite, {sql:,}": await crowd_in_sqlite(stack, sql),
            f"PostgreSQL, {sql:,}": await crowd_in_postgresql(stack, sql),
            f"Valkey, {keys:,}": await crowd_in_valkey(stack, keys),
        }
        taken = {name: await _measured(sessions) for name, sessions in stores.items()}
    report = Report("What the console asks, in milliseconds", ("what", *taken))
    report.rows = [(case, *(millis(found[case]) for found in taken.values())) for case in CASES]
    for name, found in taken.items():
        report.goals += [Goal(f"{name}: {case}", found[case] / 1e6, _LIMIT, "ms") for case in (LIST, COUNT)]
    report.notes.append(
        "Users have three sessions each, in the SQL stores beside a users table that is searched "
        "too; a tenth are visitors. They were used at some time of the last 30 days, and begun up to a week before. "
        "The fastest of three. Valkey has no other index than latest activity, and is asked in scripts of 500 "
        "sessions, between which it answers others."
    )
    return [report]


async def _measured(sessions: AsyncSessions) -> dict[str, float]:
    site = Site(AsyncSessionSearch(sessions), sessions.now())
    return {name: min([await _once(asked, site) for _ in range(_ROUNDS)]) for name, asked in CASES.items()}


async def _once(asked: Asked, site: Site) -> float:
    begin = perf_counter_ns()
    await asked(site)
    return perf_counter_ns() - begin

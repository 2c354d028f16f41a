"""What the parts of a hit and the writes cost, for whoever wants to change them."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from benchmarks.floor import data_version
from benchmarks.measure import awaits, calls, interleaved, timing
from benchmarks.report import Report, timed
from benchmarks.scene import COOKIE, fill, scene, sign_in
from coatcheck.clock import SystemClock
from coatcheck.core.coherence import Entry, Knowledge, LogPage
from coatcheck.core.cookies import find_cookies
from coatcheck.core.local_cache import key_of
from coatcheck.core.session import STAMP, Session, copy_in, subjects_of
from coatcheck.stores.base import Touch
from coatcheck.stores.sqlite import AsyncSQLiteStore

if TYPE_CHECKING:
    from benchmarks.measure import Batch
    from benchmarks.scene import Scene

_ROUNDS = 100
_stat = os.stat
_WRITE_ROUNDS = 5
_WRITES = 50
_TOUCHES = 10_000


async def run() -> list[Report]:
    """Measure each part of a hit, and the writes."""
    async with scene() as sqlite:
        return [await _parts(sqlite), await _writes(sqlite)]


async def _parts(scene: Scene) -> Report:
    sessions = [session for token in scene.tokens if (session := scene.sessions.lookup(token))]
    copies = [copy_in(session) for session in sessions]
    store = AsyncSQLiteStore(str(scene.path))
    page = await store.poll(None)
    path = os.fsencode(scene.path)
    busy, beyond = Knowledge("", lease=1), page.cursor.position + 1
    busy.apply(LogPage("", 0, (Entry(beyond, "s:another"),), None, 0, resumed=True, as_of=beyond + 1), 0)
    with closing(scene.connect()) as connection:
        version = data_version(connection)
        timings = await interleaved(
            {
                "`lookup`, all of it": calls(scene.sessions.lookup, scene.tokens),
                "cookie scan": calls(lambda header: find_cookies(header, COOKIE), scene.headers()),
                "hash": calls(key_of, scene.tokens),
                "clock": calls(lambda _: SystemClock.monotonic(), copies),
                "stamp": calls(STAMP.unpack_from, copies),
                "`Session`": calls(Session, copies),
                "`unchanged`": calls(lambda _: store.unchanged(page.cursor), copies),
                "of that `PRAGMA data_version`": calls(lambda _: version(), copies),
                "of that `os.stat`": calls(lambda _: _stat(path), copies),
                "the log, where others were revoked since": calls(
                    lambda copy: busy.admits(STAMP.unpack_from(copy)[0], subjects_of(copy)), copies
                ),
                "`session.user_id`": calls(lambda session: session.user_id, sessions),
            },
            rounds=_ROUNDS,
        )
    await store.aclose()
    return timed("Parts of a hit", timings)


async def _writes(scene: Scene) -> Report:
    sessions, users = scene.sessions, [f"user-{number}" for number in range(_WRITES)]

    async def touched() -> float:
        records = await sessions.store.list_sessions(None, _TOUCHES)
        touches = [Touch(record.id, record.last_seen_at + 1, record.idle_expires_at + 1) for record in records]
        with timing(len(touches)) as took:
            await sessions.store.touch(touches)
        return took.each

    async def revoked() -> float:
        tokens = [await sign_in(sessions, user) for user in users]
        return await awaits(sessions.revoke, tokens)()

    fill(str(scene.path), _TOUCHES)
    cases: dict[str, Batch] = {
        "create": awaits(lambda user: sign_in(sessions, user), users),
        "revoke": revoked,
        f"touch, each of {_TOUCHES:,} in one statement": touched,
    }
    timings = await interleaved(cases, rounds=_WRITE_ROUNDS)
    report = timed("Writes to SQLite", timings)
    report.notes.append("Each commit waits for the disk; the touches of one flush wait once.")
    return report

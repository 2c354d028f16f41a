"""A million sessions in memory: what they weigh, and what they cost the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from hashlib import sha256
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING
from uuid import UUID

from benchmarks.report import Goal, Report
from benchmarks.scene import IP, USER_AGENT
from coatcheck.core.local_cache import key_of
from coatcheck.core.session import Record
from coatcheck.core.session_copies import SessionCopies
from coatcheck.core.settings import CacheSettings
from coatcheck.core.tokens import new_session_id
from coatcheck.stores.base import Reading

if TYPE_CHECKING:
    from coatcheck.core.local_cache import LocalCache

SESSIONS = 1_000_000
_BYTES = 400
_MILLISECONDS = 5
_REPEATS = 15
_ALIGNMENT = 16
_DAY = 86_400_000_000


async def run() -> list[Report]:
    """Measure in a process of its own, whose memory holds nothing else."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.million", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await child.communicate()
    found = json.loads(output)
    report = Report("One million sessions in memory", ("what", "value"))
    report.rows = [
        ("sessions", f"{found['sessions']:,}"),
        ("key, copy and share of the dicts", f"{found['bytes']:.0f} bytes"),
        ("resident memory for each", f"{found['resident']:.0f} bytes"),
        ("gc.collect() before", f"{found['before']:.2f} ms"),
        ("gc.collect() with them", f"{found['after']:.2f} ms"),
    ]
    report.goals = [
        Goal("Memory of one session", found["bytes"], _BYTES, "bytes"),
        Goal("Added to a full collection", found["after"] - found["before"], _MILLISECONDS, "ms"),
    ]
    report.notes.append(
        f"Each has an id of 22 characters, a UUID as user id, an IPv4 address, a user agent of {len(USER_AGENT)} "
        "characters and no data. Resident memory includes what the allocator keeps free after the dicts have grown. "
        "Times are the fastest of several collections, with what was there before them frozen."
    )
    return [report]


def measure() -> dict[str, float]:
    """Fill a cache as requests would, and say what that changed."""
    copies = SessionCopies(CacheSettings(max_entries=SESSIONS), touch_every=300_000_000_000)
    cache = copies.new_cache()
    gc.collect()
    gc.freeze()
    before, resident = _collection(), _resident()
    for number in range(SESSIONS):
        reading, record = _session(number)
        cache.put(key_of(b"token %d" % number), copies.copy_of(reading, record, copies.ttl))
    after, grown = _collection(), _resident()
    gc.unfreeze()
    return {
        "sessions": len(cache),
        "bytes": _allocated(cache) / len(cache),
        "resident": (grown - resident) / len(cache),
        "before": before / 1e6,
        "after": after / 1e6,
    }


def _session(number: int) -> tuple[Reading, Record]:
    now = 1_762_000_000_000_000 + number
    user_id = str(UUID(bytes=sha256(b"%d" % number).digest()[:16]))
    record = Record(
        id=new_session_id(),
        user_id=user_id,
        created_at=now,
        authenticated_at=now,
        last_seen_at=now,
        idle_expires_at=now + 7 * _DAY,
        expires_at=now + 30 * _DAY,
        idle_timeout=7 * _DAY,
        remember=False,
        ip=IP,
        user_agent=USER_AGENT,
        data="{}",
    )
    return Reading("epoch", number, now * 1000, record), record


def _allocated(cache: LocalCache[bytes]) -> int:
    """Return the bytes of the cache's dicts, keys and copies, as Python's allocator rounds them."""
    generations = [value for value in gc.get_referents(cache) if isinstance(value, dict)]
    tables = sum(map(sys.getsizeof, generations))
    return tables + sum(_rounded(part) for copies in generations for pair in copies.items() for part in pair)


def _rounded(part: object) -> int:
    return -(-sys.getsizeof(part) // _ALIGNMENT) * _ALIGNMENT


def _collection() -> int:
    """Return the nanoseconds of a full collection."""
    took = []
    for _ in range(_REPEATS):
        begin = perf_counter_ns()
        gc.collect()
        took.append(perf_counter_ns() - begin)
    return min(took)


def _resident() -> int:
    """Return the bytes of memory that this process occupies."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    print(json.dumps(measure()))

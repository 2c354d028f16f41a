"""What callers of a cache were given, and what all processes of a test know of each other's callers."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Thing:
    """A value.

    Attributes:
        version: The origin's.
        load: Which load has brought it: the process, and its number there.
    """

    version: int
    load: str


class Watch:
    """What the callers of one process were given, and when each of these calls began."""

    def __init__(self) -> None:
        # One list, and nothing but appends: threads share it, and none of them may lose what another notes.
        self._notes: list[tuple[str, int, int]] = []
        self._newest: dict[str, int] = {}
        self.errors: set[str] = set()

    def note(self, key: str, begin: int, thing: Thing) -> None:
        self._notes.append((key, thing.version, begin))
        self._newest[key] = thing.version

    def told(self, ends: dict[str, dict[str, int]] | None = None) -> dict[str, Any]:
        """Return what was noted, and how many calls were given a version though they began after its end.

        Args:
            ends: For each key, for each version that was outdated: when.
        """
        late: dict[str, dict[str, list[int]]] = {}
        for key, version, begin in self._notes if ends else ():
            end = (ends or {}).get(key, {}).get(str(version))
            if end is not None and begin > end:
                times, longest = late.setdefault(key, {}).get(str(version), [0, 0])
                late[key][str(version)] = [times + 1, max(longest, begin - end)]
        return {
            "answers": len(self._notes),
            "newest": dict(self._newest),
            "late": late,
            "errors": sorted(self.errors),
        }


class Counters:
    """How many answers each caller of a test has got, in a file that all its processes map; and a flag to end with."""

    def __init__(self, folder: str, callers: int) -> None:
        path = Path(folder) / "counters"
        if not path.exists():
            path.write_bytes(bytes(8 * (callers + 1)))
        with path.open("r+b") as file:
            self._numbers = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")

    def count(self, caller: int) -> None:
        self._numbers[caller] += 1

    def answers(self) -> list[int]:
        return list(self._numbers[:-1])

    def stop(self) -> None:
        self._numbers[-1] = 1

    @property
    def stopped(self) -> bool:
        return bool(self._numbers[-1])

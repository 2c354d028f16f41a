"""What is true, in a file that processes share: each of them sees at once what the others wrote there."""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CELLS = 3
_ONE = struct.calcsize("q")


class Truth:
    """Three numbers of versions. Each is written by one process only, in one step."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it."""
        with path.open("a+b") as file:
            file.truncate(_CELLS * _ONE)
            self._cells = memoryview(mmap.mmap(file.fileno(), _CELLS * _ONE)).cast("q")

    @property
    def version(self) -> int:
        """The version that is true: what a loader finds."""
        return self._cells[0]

    @version.setter
    def version(self, version: int) -> None:
        self._cells[0] = version

    @property
    def settled(self) -> int:
        """The newest version of which the invalidation of those before it has returned."""
        return self._cells[1]

    @settled.setter
    def settled(self, version: int) -> None:
        self._cells[1] = version

    @property
    def seen(self) -> int:
        """The newest version that the cache of the reading process has served."""
        return self._cells[2]

    @seen.setter
    def seen(self, version: int) -> None:
        self._cells[2] = version

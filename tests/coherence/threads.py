"""Two threads at once, without threads: one of them stops in the middle, and the other does all that it has to do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from coatcheck._sync import cached_reads, log_reader
from coatcheck.core import coherence, local_cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_FILES = {module.__file__ for module in (cached_reads, log_reader, coherence, local_cache)}


def interrupted(
    first: Callable[[], object], second: Callable[[], object], *, at: int, begun: Callable[[], bool]
) -> bool:
    """Do one thing, and in the middle of it another.

    Args:
        first: What is interrupted.
        second: What is done meanwhile.
        at: Before which line of the worker's code: 1 is the first one.
        begun: Tells from when on lines count.

    Returns:
        False if there are not so many lines; then nothing was interrupted.
    """
    left = at

    def traced(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in _FILES:
            return None
        if event == "line" and begun():
            left -= 1
            if not left:
                sys.settrace(None)
                second()
        return traced

    before = sys.gettrace()
    sys.settrace(traced)
    try:
        first()
    finally:
        sys.settrace(before)
    return left <= 0

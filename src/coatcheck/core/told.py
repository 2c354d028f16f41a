"""What was told lately, so that nobody can have the same told again and again."""

from __future__ import annotations

from collections import OrderedDict


class ToldLately:
    """Names with when they were told last; of more than `most` the one that was told first is forgotten."""

    def __init__(self, pause: int, *, most: int = 1000) -> None:
        """Set how long the same name is not told again, in the unit of the times that come."""
        self._pause = pause
        self._most = most
        self._told: OrderedDict[str, int] = OrderedDict()

    def is_news(self, name: str, now: int) -> bool:
        """Tell whether a name was not told lately; it is by now."""
        before = self._told.get(name)
        if before is not None and now - before < self._pause:
            return False
        self._told.pop(name, None)  # or it would keep its place, from which another thread may forget it just now
        self._told[name] = now
        if len(self._told) > self._most:
            self._told.popitem(last=False)
        return True

"""Labels of keys in KV: what an invalidation writes anew, and what values are kept under."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.core.namespaces import key_subject, octets
from coatcheck.core.sealing import Kind, Seals
from coatcheck.core.settings import LONGEST_VALUE
from coatcheck.core.times import duration_nanos
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.caches.kv import AsyncKVCache
    from coatcheck.clock import Clock
    from coatcheck.core.sealing import Place

_LABEL: Final = 12
_NONE: Final = "-"

_KEPT: Final = (2 * LONGEST_VALUE + timedelta(days=1)) // timedelta(milliseconds=1)
"""Milliseconds, longer than any value is of use: when a label is forgotten, those from before it must be gone."""

_KNOWN_FOR: Final = duration_nanos(timedelta(minutes=1))
"""Nanoseconds for which an isolate goes by a label that it has written itself; by then KV has it everywhere."""

_MOST_KNOWN: Final = 10_000
_ATTEMPTS: Final = 4
_PAUSE: Final = 1.1
"""Seconds between two writes of one key, of which KV takes one a second."""


class Written(NamedTuple):
    """What this isolate has written lately.

    Attributes:
        label: The label; empty while KV has not confirmed it.
        until: For how long this counts, by the monotonic clock in nanoseconds.
    """

    label: str
    until: int


class Labels:
    """The labels in one namespace.

    A label lies under each of the keys that seal, so that isolates that do not have the newest one yet invalidate for
    the others too.
    """

    def __init__(self, cache: AsyncKVCache, keys: Sequence[bytes], *, timeout: timedelta, clock: Clock) -> None:
        """Keep where they lie, what seals them, and how long a call waits for KV."""
        self._cache = cache
        self._seals = Seals(Kind(b"label\x01", _is_label), keys)
        self._timeout = timeout.total_seconds()
        self._clock = clock
        self._written: dict[str, Written] = {}

    def written(self, key: str) -> Written | None:
        """Return what this isolate has written last: another object after each invalidation."""
        return self._written.get(key_subject(key))

    async def of(self, key: str) -> str:
        """Return the label of a key, as far as this place has heard; empty if nobody can tell. Never raises."""
        written = self.written(key)
        if written is not None and self._clock.monotonic() < written.until:
            return written.label
        places = self._places(key_subject(key))
        try:
            async with asyncio.timeout(self._timeout):
                found = await asyncio.gather(*(self._cache.get(place.name) for place in places))
        except (Unavailable, TimeoutError):
            return ""
        labels = [_label_in(place, sealed) for place, sealed in zip(places, found, strict=True)]
        return "".join(labels) if all(labels) else ""

    def _places(self, subject: str) -> tuple[Place, ...]:
        return self._seals.places("", octets(subject))

    async def renew(self, subject: str) -> None:
        """Give the key with this subject another label, and return when KV has it.

        Raises:
            Unavailable: KV did not answer, or does not take it. Until the minute is over this isolate keeps nothing.
        """
        label, places, now = secrets.token_bytes(_LABEL), self._places(subject), self._clock.monotonic()
        if len(self._written) >= _MOST_KNOWN:
            self._written = {each: known for each, known in self._written.items() if now < known.until}
        # First here, whatever becomes of it elsewhere. Under the new label nothing is kept before KV has it: another's
        # invalidation may come between, and what was loaded before that would be taken for newer than it is.
        pending = self._written[subject] = Written("", now + _KNOWN_FOR)
        await asyncio.gather(*(self._write(place, label) for place in places))
        if self._written.get(subject) is pending:
            self._written[subject] = Written(label.hex() * len(places), self._clock.monotonic() + _KNOWN_FOR)

    async def _write(self, place: Place, label: bytes) -> None:
        for left in range(_ATTEMPTS - 1, -1, -1):
            if await self._cache.replace(place.name, place.seal(label), _KEPT):
                return
            if left:
                await asyncio.sleep(_PAUSE)
        msg = "KV has not taken an invalidation: others write the same key all the time; try again"
        raise Unavailable(msg)


def _label_in(place: Place, sealed: bytes | None) -> str:
    if sealed is None:
        return _NONE
    label = place.open(sealed)
    return "" if label is None else label.hex()


def _is_label(label: bytes) -> bool:
    return len(label) == _LABEL

"""Ways to get the coherence rule wrong: each is a `Knowledge` with one mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.core.coherence import Entry, Knowledge, LogPage
from coatcheck.core.local_cache import LocalCache
from coatcheck.core.session import subjects_of

if TYPE_CHECKING:
    from collections.abc import Iterable


class LeaseUnchecked(Knowledge):
    """A proof is good for ever."""

    def apply(self, page: LogPage, sent: int) -> None:
        super().apply(page, sent)
        self.proven_until = 2**62


class EntriesForgotten(Knowledge):
    """An entry deletes the copy there is, and is not remembered against the one that lands later.

    Whoever keeps the copies says where they are.
    """

    cache: LocalCache[bytes] = LocalCache(0)

    def _remember(self, position: int, subject: str) -> None:
        young = self.cache.young
        for key in [key for key, copy in young.items() if subject in subjects_of(copy)]:
            del young[key]


class FloorIgnored(Knowledge):
    """A worker takes the entries it finds for all there ever were."""

    def apply(self, page: LogPage, sent: int) -> None:
        super().apply(page._replace(floor=0), sent)


class EntryAtAsOfIgnored(Knowledge):
    """`as_of` is taken for the last position used, not for the next one."""

    def outdated(self, as_of: int, subjects: Iterable[str]) -> bool:
        return super().outdated(as_of + 1, subjects)


class EveryoneIgnored(Knowledge):
    """The entry for everyone is looked for among those about sessions."""

    def apply(self, page: LogPage, sent: int) -> None:
        entries = tuple(Entry(entry.position, entry.subject.replace("*", "s:*")) for entry in page.entries)
        super().apply(page._replace(entries=entries), sent)


class UsersIgnored(Knowledge):
    """Only entries about the session itself outdate its copy."""

    def outdated(self, as_of: int, subjects: Iterable[str]) -> bool:
        return super().outdated(as_of, [subject for subject in subjects if not subject.startswith("u:")])


class ReachedBeforeKnown(Knowledge):
    """What a page reaches is told before its entries are known."""

    def apply(self, page: LogPage, sent: int) -> None:
        self.as_of = page.as_of
        super().apply(page, sent)


class FloorFirst(Knowledge):
    """The floor is looked at before the entries, which another thread may drop meanwhile."""

    def admits(self, as_of: int, subjects: Iterable[str]) -> bool:
        return as_of >= self.floor and (as_of > self.newest or not self.outdated(as_of, subjects))

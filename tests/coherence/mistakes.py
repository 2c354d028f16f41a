"""Ways to get the coherence rule wrong: each is a `Knowledge` with one mistake."""

from __future__ import annotations

from coatcheck.core.coherence import Entry, Knowledge, LogPage
from coatcheck.core.session import subjects_of


class LeaseUnchecked(Knowledge):
    """A proof is good for ever."""

    def apply(self, page: LogPage, sent: int) -> None:
        super().apply(page, sent)
        self.proven_until = 2**62


class EntriesForgotten(Knowledge):
    """An entry deletes the copy there is, and is not remembered against the one that lands later."""

    def _remember(self, position: int, subject: str) -> None:
        young = self.cache.young
        for key in [key for key, copy in young.items() if f"s:{subjects_of(copy)[0]}" == subject]:
            del young[key]


class FloorIgnored(Knowledge):
    """A worker takes the entries it finds for all there ever were."""

    def apply(self, page: LogPage, sent: int) -> None:
        super().apply(page._replace(floor=0), sent)


class EntryAtAsOfIgnored(Knowledge):
    """`as_of` is taken for the last position used, not for the next one."""

    def outdated(self, copy: bytes, as_of: int) -> bool:
        return super().outdated(copy, as_of + 1)


class EveryoneIgnored(Knowledge):
    """The entry for everyone is looked for among those about sessions."""

    def apply(self, page: LogPage, sent: int) -> None:
        entries = tuple(Entry(entry.position, entry.subject.replace("*", "s:*")) for entry in page.entries)
        super().apply(page._replace(entries=entries), sent)


class UsersIgnored(Knowledge):
    """Only entries about the session itself outdate its copy."""

    def outdated(self, copy: bytes, as_of: int) -> bool:
        return self._entries.get(f"s:{subjects_of(copy)[0]}", -1) >= as_of

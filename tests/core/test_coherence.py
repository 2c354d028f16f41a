"""What one worker remembers of the log."""

from __future__ import annotations

import pytest

from coatcheck.core import coherence
from coatcheck.core.coherence import Entry, Knowledge, LogPage
from coatcheck.core.local_cache import LocalCache
from coatcheck.core.session import STAMP, Record

RECORD = Record("id", "ada", 0, 0, 0, 1, 1, 1_000_000, False, None, None, "{}").pack()  # noqa: FBT003 - a row


def copy_read_at(position: int) -> bytes:
    return STAMP.pack(position, 0, 0) + RECORD


def page(*entries: Entry, floor: int = 1) -> LogPage:
    return LogPage("epoch", floor, entries, None, now=0, resumed=True)


def test_memory_of_the_log_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that nobody trims does not fill a worker's memory; nothing it refused is admitted for that."""
    monkeypatch.setattr(coherence, "MOST_ENTRIES", 10)
    known = Knowledge("epoch", lease=1, cache=LocalCache(10))
    for position in range(1, 100):
        known.apply(page(Entry(position, f"s:{position}")), sent=0)
        assert len(known) <= 11
        assert not known.admits(copy_read_at(position - 11))
    assert not known.admits(copy_read_at(80))
    assert known.admits(copy_read_at(100))


@pytest.mark.parametrize("subject", ["s:id", "u:ada", "*"])
def test_an_entry_outdates_copies_read_before_it(subject: str) -> None:
    """Also the copy whose `as_of` is the entry's own position: that is the next one, so it was not there yet."""
    known = Knowledge("epoch", lease=1, cache=LocalCache(10))
    known.apply(page(Entry(5, subject)), sent=0)
    assert not known.admits(copy_read_at(5))
    assert known.admits(copy_read_at(6))


def test_an_entry_of_another_outdates_nothing() -> None:
    """Sessions and users of the same name are different subjects."""
    known = Knowledge("epoch", lease=1, cache=LocalCache(10))
    known.apply(page(Entry(5, "s:ada"), Entry(6, "u:id")), sent=0)
    assert known.admits(copy_read_at(2))

"""What one worker remembers of the log."""

from __future__ import annotations

import pytest

from coatcheck.core import coherence
from coatcheck.core.coherence import Entry, Knowledge, LogPage

SUBJECTS = ("s:id", "u:ada")


def page(*entries: Entry, floor: int = 1, as_of: int = 1000) -> LogPage:
    return LogPage("epoch", floor, entries, None, now=0, resumed=True, as_of=as_of)


def test_memory_of_the_log_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that nobody trims does not fill a worker's memory; nothing it refused is admitted for that."""
    monkeypatch.setattr(coherence, "MOST_ENTRIES", 10)
    known = Knowledge("epoch", lease=1)
    for position in range(1, 100):
        known.apply(page(Entry(position, f"s:{position}")), sent=0)
        assert len(known) <= 11
        assert not known.admits(position - 11, SUBJECTS)
        assert known.knows(f"s:{position}")
        assert known.admits(position, SUBJECTS)
    assert not known.admits(80, SUBJECTS)
    assert known.admits(100, SUBJECTS)


def test_entries_of_one_position_are_forgotten_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of one transaction; the memory is bounded all the same."""
    monkeypatch.setattr(coherence, "MOST_ENTRIES", 10)
    known = Knowledge("epoch", lease=1)
    known.apply(page(*(Entry(5, f"s:{number}") for number in range(100))), sent=0)
    assert len(known) == 0
    assert not known.admits(5, SUBJECTS)
    assert known.admits(6, SUBJECTS)


@pytest.mark.parametrize("subject", [*SUBJECTS, "*"])
def test_an_entry_outdates_copies_read_before_it(subject: str) -> None:
    """Also the copy whose `as_of` is the entry's own position: that is the next one, so it was not there yet."""
    known = Knowledge("epoch", lease=1)
    known.apply(page(Entry(5, subject)), sent=0)
    assert not known.admits(5, SUBJECTS)
    assert known.admits(6, SUBJECTS)


def test_an_entry_of_another_outdates_nothing() -> None:
    """Sessions and users of the same name are different subjects."""
    known = Knowledge("epoch", lease=1)
    known.apply(page(Entry(5, "s:ada"), Entry(6, "u:id")), sent=0)
    assert known.admits(2, SUBJECTS)


def test_what_has_no_subjects_is_outdated_by_everyones_entry_alone() -> None:
    known = Knowledge("epoch", lease=1)
    known.apply(page(Entry(5, "s:id")), sent=0)
    assert known.admits(5, ())
    known.apply(page(Entry(6, "*")), sent=0)
    assert not known.admits(6, ())


def test_what_is_read_from_now_on_may_claim_what_the_last_page_reached() -> None:
    """That need not be one more than the newest entry: a transaction before it may be open still."""
    known = Knowledge("epoch", lease=1)
    assert known.as_of == 0
    known.apply(page(Entry(9, "s:another"), as_of=4), sent=0)
    assert known.as_of == 4
    known.apply(page(as_of=12), sent=0)
    assert (known.as_of, known.newest) == (12, 9)

"""Entries with a time in them: of each name the latest counts, and it is kept as long as its entry."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coatcheck.core.coherence import Entry, Knowledge, LogPage, session_subject, user_subject
from coatcheck.core.endings import (
    doubted_subjects,
    ended_subject,
    once_subject,
    outdated_subject,
    session_tag,
    signed_out_name,
    signed_out_subject,
)
from coatcheck.core.namespaces import Space, key_subject, tenant_subject

ADA = signed_out_name("ada@example.com")


def page(*entries: tuple[int, str], floor: int = 0) -> LogPage:
    last = max((position for position, _ in entries), default=floor)
    return LogPage("epoch", floor, tuple(Entry(*entry) for entry in entries), last, 0, True, last + 1)  # noqa: FBT003


def test_of_a_name_the_latest_moment_counts_in_whatever_order_it_comes() -> None:
    knowledge = Knowledge("epoch", lease=1)
    assert knowledge.latest(ADA) is None
    knowledge.apply(page((1, signed_out_subject("ada@example.com", 100))), 0)
    assert knowledge.latest(ADA) == 100
    knowledge.apply(page((2, signed_out_subject("ada@example.com", 90))), 0)
    assert knowledge.latest(ADA) == 100
    assert knowledge.latest(signed_out_name("ada")) is None
    assert len(knowledge) == 1


def test_a_moment_goes_when_the_log_is_trimmed_and_no_earlier() -> None:
    knowledge = Knowledge("epoch", lease=1)
    knowledge.apply(page((1, signed_out_subject("ada@example.com", 100)), (5, signed_out_subject("eve", 70))), 0)
    knowledge.apply(page(floor=2), 0)
    assert knowledge.latest(ADA) is None
    assert knowledge.latest(signed_out_name("eve")) == 70
    knowledge.apply(page(floor=6), 0)
    assert len(knowledge) == 0


@given(st.lists(st.tuples(st.sampled_from(["ada", "eve", "a@b"]), st.integers(0, 2**40)), max_size=12))
def test_it_is_the_greatest_of_those_that_came(said: list[tuple[str, int]]) -> None:
    knowledge = Knowledge("epoch", lease=1)
    for position, (user, second) in enumerate(said):
        knowledge.apply(page((position, signed_out_subject(user, second))), 0)
    for user in ("ada", "eve", "a@b"):
        moments = [second for name, second in said if name == user]
        assert knowledge.latest(signed_out_name(user)) == max(moments, default=None)


def test_what_only_looks_like_a_moment_is_an_entry_like_any_other() -> None:
    """The log is open to others: an odd subject must not keep a worker from learning the rest of a page."""
    knowledge = Knowledge("epoch", lease=1)
    odd = ["w:", "w:name", "w:name@", "w:name@soon", "w:name@-1", Space("flags", "acme").subject()]
    knowledge.apply(page(*enumerate(odd)), 0)
    assert all(map(knowledge.knows, odd))
    assert not knowledge.admits(0, [odd[-1]])


def test_no_two_kinds_of_subjects_begin_alike() -> None:
    """What one part writes must not mean something to another."""
    tag = session_tag("s")
    subjects = [
        *(session_subject("1"), user_subject("1"), ended_subject(tag), outdated_subject(tag)),
        *(signed_out_subject("1", 1), once_subject("kind", "1"), doubted_subjects("1", 0)[0]),
        *(key_subject("0:-:k"), tenant_subject("t"), Space("n").subject(), Space("n", "t").subject()),
    ]
    assert len({subject.partition(":")[0] for subject in subjects}) == len(subjects)

"""Entries with a time in them: of each name the latest counts, and it is kept as long as its entry."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coatcheck.core.coherence import MOMENT, Entry, Knowledge, LogPage, session_subject, user_subject
from coatcheck.core.endings import (
    doubted_subjects,
    ended_subject,
    once_subject,
    outdated_subject,
    session_tag,
    signed_out_name,
    signed_out_subject,
)
from coatcheck.core.namespaces import Space, subjects_of_key

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


def test_no_other_subject_is_taken_for_a_moment() -> None:
    """As that of a tenant's namespace was, which has no time behind it."""
    full_key = Space("reports", "acme").prefix + "key"
    tag = session_tag("id")
    subjects = [*subjects_of_key(full_key), session_subject("id"), user_subject("ann"), once_subject("kind", "id")]
    subjects += [*doubted_subjects("ann", 0), ended_subject(tag), outdated_subject(tag)]
    assert len({subject[:2] for subject in subjects}) == len(subjects) - 1  # there are two that doubt
    assert not any(subject.startswith(MOMENT) for subject in subjects)
    knowledge = Knowledge("epoch", lease=1)
    knowledge.apply(page(*enumerate(subjects)), 0)
    assert len(knowledge) == len(subjects)


@given(st.lists(st.tuples(st.sampled_from(["ada", "eve", "a@b"]), st.integers(0, 2**40)), max_size=12))
def test_it_is_the_greatest_of_those_that_came(said: list[tuple[str, int]]) -> None:
    knowledge = Knowledge("epoch", lease=1)
    for position, (user, second) in enumerate(said):
        knowledge.apply(page((position, signed_out_subject(user, second))), 0)
    for user in ("ada", "eve", "a@b"):
        moments = [second for name, second in said if name == user]
        assert knowledge.latest(signed_out_name(user)) == max(moments, default=None)

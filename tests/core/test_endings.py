"""What log entries call sessions that somebody else issued."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coatcheck.core.endings import (
    TAG,
    doubted_subjects,
    ended_subject,
    login_tag,
    once_subject,
    outdated_subject,
    session_tag,
    token_tag,
)

MINUTE = 60 * 10**9
TEXTS = st.text(st.characters(), max_size=20)


def test_S2_no_subject_says_what_a_client_presents() -> None:
    for subject in (ended_subject(token_tag(b"secret")), outdated_subject(token_tag(b"secret"))):
        assert "secret" not in subject
        assert len(subject) <= 2 + 24


def test_tags_of_two_kinds_are_never_equal() -> None:
    tags = {token_tag(b"x"), session_tag("x"), login_tag("x", ""), login_tag("", "x")}
    assert len(tags) == 4
    assert {len(tag) for tag in tags} == {TAG}


@given(st.tuples(TEXTS, TEXTS), st.tuples(TEXTS, TEXTS))
def test_A5_two_logins_have_two_tags(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Wherever the border between issuer and `sid` is; also of text that is no Unicode."""
    assert (login_tag(*one) == login_tag(*other)) == (one == other)


def test_subjects_of_two_kinds_are_never_equal() -> None:
    tag = token_tag(b"x")
    subjects = {ended_subject(tag), outdated_subject(tag), once_subject("token", "x"), *doubted_subjects("x", 0)}
    assert len(subjects) == 5
    assert {subject[:2] for subject in subjects} == {"e:", "i:", "o:", "d:"}


def test_their_bytes_stay_what_they_are() -> None:
    """Workers of two releases read the same log."""
    assert ended_subject(token_tag(b"token")) == "e:bLKq1ILYtBv1FsYx6nHqliaL"
    assert outdated_subject(session_tag("s1")) == "i:wfjtDbRrHbywLDZmQPuMLeyr"
    assert ended_subject(login_tag("https://op.example", "sid")) == "e:CdcYnT4tMDUNBI3DC4V4wirJ"
    assert once_subject("https://op.example", "jti") == "o:4HVngTlsuLgglD-WTwVKk-rC"


@given(st.integers(0, 2**62), st.integers(0, 20 * MINUTE))
def test_a_user_is_doubted_for_five_to_ten_minutes(told: int, later: int) -> None:
    written = doubted_subjects("ada", told)[0]
    doubted = written in doubted_subjects("ada", told + later)
    assert doubted if later <= 5 * MINUTE else not doubted or later < 10 * MINUTE
    assert written not in doubted_subjects("bob", told)

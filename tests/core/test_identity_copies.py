"""How what providers say is kept: how long, under which names, and in which bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.endings import ended_subject, login_tag, outdated_subject, session_tag, token_tag
from coatcheck.core.identities import Nonsense, ProviderAnswer, identity
from coatcheck.core.identity_copies import OPEN_STREAM, IdentityCopies, IdentityReading, tags_of
from coatcheck.core.session import NEVER, STAMP, Session
from coatcheck.core.users import User

SECOND = 10**9
START = datetime(2030, 1, 1, tzinfo=UTC)
NOW = int(START.timestamp()) * SECOND
TAGS = (token_tag(b"token"), session_tag("s1"), login_tag("https://op.example", "sid"))
USER = User("ada", name="Ada", email="ada@example.com", email_verified=True, labels=("gold",))


def copies(after: int = 300, shared_ttl: int = 3600) -> IdentityCopies:
    return IdentityCopies(
        revalidate_after=after * SECOND, max_entries=10, shared_ttl=shared_ttl * SECOND, secrets=[b"k" * 32]
    )


def reading(lasts: int = 86_400, valid_for: timedelta | None = None, user: User | None = USER) -> IdentityReading:
    record = identity("s1", user, created_at=START, ends_at=START + timedelta(seconds=lasts), ip="2001:DB8::1")
    return IdentityReading("epoch", 7, NOW, ProviderAnswer(record, valid_for, TAGS))


@pytest.mark.parametrize(
    ("after", "lasts", "valid_for", "kept"),
    [(300, 86_400, None, 300), (300, 60, None, 60), (300, 86_400, 30, 30), (300, 86_400, 900, 300), (300, 10, 0, 0)],
)
def test_N1_a_copy_is_good_for_the_shortest_of_all_times(
    after: int, lasts: int, valid_for: int | None, kept: int
) -> None:
    """Counted from before the provider was asked."""
    said = None if valid_for is None else timedelta(seconds=valid_for)
    copy = copies(after).kept(reading(lasts, said))
    assert copy is not None
    assert STAMP.unpack_from(copy) == (7, NOW + kept * SECOND, NEVER)


def test_what_is_not_to_be_kept_serves_an_open_stream_for_a_moment() -> None:
    it = copies(0)
    said = reading()
    assert it.kept(said) is None
    assert it.shared(said) is None
    record = said.answer.identity
    assert not isinstance(record, NotSignedIn)
    assert STAMP.unpack_from(it.copy_of(said, record))[1] == NOW + OPEN_STREAM


def test_of_nobody_nothing_is_kept() -> None:
    refused = IdentityReading("epoch", 7, NOW, ProviderAnswer(NotSignedIn.UNKNOWN))
    assert copies().kept(refused) is None
    assert copies().shared(refused) is None


@pytest.mark.parametrize(("shared_ttl", "keep"), [(3600, 300), (10, 10)])
def test_a_shared_copy_stays_no_longer_than_it_is_good(shared_ttl: int, keep: int) -> None:
    """And says itself until when that is: who takes it over adds nothing."""
    found = copies(shared_ttl=shared_ttl).shared(reading())
    assert found is not None
    copy, ttl, gives = found
    assert (ttl, gives) == (keep * SECOND, False)
    assert copy == copies().kept(reading())


def test_A1_each_tier_has_a_time_to_live_of_its_own() -> None:
    """What is dropped from memory sooner is found in the shared cache for as long as the provider need not be asked."""
    it = IdentityCopies(
        revalidate_after=300 * SECOND,
        max_entries=10,
        memory_ttl=60 * SECOND,
        shared_ttl=3600 * SECOND,
        secrets=[b"k" * 32],
    )
    kept, shared = it.kept(reading()), it.shared(reading())
    assert kept is not None
    assert shared is not None
    assert STAMP.unpack_from(kept)[1] == NOW + 60 * SECOND
    assert STAMP.unpack_from(shared[0])[1] == NOW + 300 * SECOND
    assert shared[1] == 300 * SECOND


def test_log_entries_may_name_the_session_its_user_and_each_tag() -> None:
    copy = copies().kept(reading())
    assert copy is not None
    assert list(tags_of(copy)) == list(TAGS)
    names = [name for tag in TAGS for name in (outdated_subject(tag), ended_subject(tag))]
    assert list(copies().subjects(b"", copy)) == ["s:s1", "u:ada", *names]


def test_a_session_reads_the_same_with_its_tags_and_without() -> None:
    copy = copies().kept(reading())
    assert copy is not None
    session = Session(copy)
    assert (session.id, session.user_id, session.ip, session.user) == ("s1", "ada", "2001:db8::1", USER)
    assert session.ends_at == START + timedelta(days=1)
    assert session == Session(copy[: -3 * len(TAGS[0])])
    assert hash(session) == hash(Session(STAMP.pack(0, 0, 0) + copy[STAMP.size :]))


FIXTURE = (
    "070000000000000000b8390f79e8461a000000000000004002020020479416ba060000000000000000c00020479416ba0600"
    "00801eb22aba060000801eb22aba0600000000000203000b000000000000640000007331616461323030313a6462383a3a31"
    "7b226964223a2022616461222c20226e616d65223a2022416461222c2022656d61696c223a2022616461406578616d706c65"
    "2e636f6d222c2022656d61696c5f7665726966696564223a20747275652c20226c6162656c73223a205b22676f6c64225d7d"
    "6cb2aad482d8b41bf516c631ea71ea96268bc1f8ed0db46b1dbcb02c366640fb8c2decab09d7189d3e2d30350d048dc30b85"
    "78c22ac9"
)
"""Version 1."""


def test_the_bytes_of_this_version_stay_readable() -> None:
    """Sealed copies of this release lie in shared caches when the next one starts."""
    copy = copies().kept(reading())
    assert copy is not None
    assert copy.hex() == FIXTURE


def test_S5_what_was_altered_is_no_copy() -> None:
    (place,) = copies().places("epoch", b"key")
    copy = copies().kept(reading())
    assert copy is not None
    sealed = place.seal(copy)
    assert place.open(sealed) == copy
    for at in range(len(sealed)):
        altered = bytearray(sealed)
        altered[at] ^= 1
        assert place.open(bytes(altered)) is None


@pytest.mark.parametrize("cut", range(1, 200, 7))
def test_C7_what_is_not_whole_is_no_copy(cut: int) -> None:
    """Though its seal fits: of another version, or cut off in the middle of a tag."""
    (place,) = copies().places("epoch", b"key")
    copy = copies().kept(reading())
    assert copy is not None
    whole = cut % 18 == 0 and cut // 18 <= len(TAGS)
    assert (place.open(place.seal(copy[:-cut])) is not None) == whole
    other = bytearray(copy)
    other[STAMP.size] += 1
    assert place.open(place.seal(bytes(other))) is None


@pytest.mark.parametrize("other", [("another epoch", b"key"), ("epoch", b"another key")])
def test_S5_a_copy_of_another_place_is_none_here(other: tuple[str, bytes]) -> None:
    (here,), (there,) = copies().places("epoch", b"key"), copies().places(*other)
    copy = copies().kept(reading())
    assert copy is not None
    assert here.open(there.seal(copy)) is None
    assert here.name != there.name


@pytest.mark.parametrize("wrong", ["", "x" * 256, "\ud800"])
def test_N3_an_id_that_is_none_is_nonsense_and_not_told(wrong: str) -> None:
    with pytest.raises(Nonsense) as caught:
        identity(wrong, USER, created_at=START, ends_at=START)
    assert wrong not in str(caught.value) or not wrong
    with pytest.raises(Nonsense):
        identity("s1", User(wrong), created_at=START, ends_at=START)


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_whatever_a_provider_says_of_a_session_can_be_kept(
    agent: str, ip: str, data: dict[str, str | int | None]
) -> None:
    """Half of a surrogate pair, control characters, addresses that are none."""
    record = identity("s1", USER, created_at=START, ends_at=START, ip=ip, user_agent=agent, data=data)
    session = Session(STAMP.pack(0, 0, 0) + record.pack())
    assert dict(session.data) == data


def test_a_session_without_an_end_can_be_kept() -> None:
    """As of year 9999, whose nanoseconds no stamp can hold."""
    record = identity("s1", USER, created_at=START, ends_at=datetime.max.replace(tzinfo=UTC))
    assert copies().kept(IdentityReading("epoch", 7, NOW, ProviderAnswer(record))) is not None

"""How long copies of sessions are kept, and what log entries may call them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from coatcheck.core.session import STAMP, Record
from coatcheck.core.session_copies import SessionCopies
from coatcheck.core.settings import CacheSettings
from coatcheck.stores.base import Reading

SECOND = 10**9
NOW = 10**9 * SECOND
MICROS = NOW // 1000
SETTINGS = CacheSettings(ttl=timedelta(seconds=60))


def a_record(*, ends_in: int = 10**6, user_id: str | None = "ada") -> Record:
    idle = MICROS + ends_in * 1_000_000
    return Record("id", user_id, MICROS, None, MICROS, idle, None, 60_000_000, False, None, None, "{}")  # noqa: FBT003


def a_reading(record: Record | None) -> Reading:
    return Reading("epoch", 7, NOW, record)


def copies(shared_ttl: int = 3600) -> SessionCopies:
    return SessionCopies(SETTINGS, touch_every=5 * SECOND, shared_ttl=shared_ttl * SECOND, secrets=[b"k" * 32])


@pytest.mark.parametrize(("ends_in", "kept"), [(10**6, 60), (30, 30)])
def test_a_copy_in_memory_lives_as_long_as_the_settings_and_its_session_do(ends_in: int, kept: int) -> None:
    copy = copies().kept(a_reading(a_record(ends_in=ends_in)))
    assert copy is not None
    assert STAMP.unpack_from(copy) == (7, NOW + kept * SECOND, NOW + 5 * SECOND)


@pytest.mark.parametrize(("ends_in", "shared_ttl", "shared"), [(10**6, 3600, 3600), (10**6, 10, 10), (30, 3600, 30)])
def test_a_shared_copy_lives_as_long_as_its_setting_and_its_session_do(
    ends_in: int, shared_ttl: int, shared: int
) -> None:
    found = copies(shared_ttl).shared(a_reading(a_record(ends_in=ends_in)))
    assert found is not None
    copy, keep, gives = found
    assert STAMP.unpack_from(copy)[:2] == (7, NOW + shared * SECOND)
    assert (keep, gives) == (shared * SECOND, False)


def test_of_no_session_nothing_is_kept() -> None:
    assert copies().kept(a_reading(None)) is None
    assert copies().shared(a_reading(None)) is None


@pytest.mark.parametrize(("user_id", "subjects"), [("ada", ["s:id", "u:ada"]), ("", ["s:id", "u:"]), (None, ["s:id"])])
def test_log_entries_may_name_the_session_and_its_user(user_id: str | None, subjects: list[str]) -> None:
    copy = copies().kept(a_reading(a_record(user_id=user_id)))
    assert copy is not None
    assert list(copies().subjects(b"", copy)) == subjects

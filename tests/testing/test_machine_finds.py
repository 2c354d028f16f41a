"""The model-based machine finds what it is there to find: each store or worker here has one mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from coatcheck._sync import log_reader
from coatcheck.core.coherence import Knowledge
from coatcheck.testing import MemoryStore
from coatcheck.testing.machine import LEASE, SessionsMachine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from coatcheck.core.coherence import LogPage
    from coatcheck.core.session import Record
    from coatcheck.stores.base import NewSession, Rotation, SessionChange, Touch
    from coatcheck.stores.protocol import Store

# What is found need not be made small here, nor kept; and it is found in every run, however slow the machine. Each
# search has a place to begin from where it is short: from elsewhere the mistakes are found as well, some after minutes.
FIND = settings(
    max_examples=1000,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)


class ChangesSilently(MemoryStore):
    def _put(self, key: bytes, row: Record) -> Record:
        self._rows[key] = row
        return row


class ConfirmsWithoutTouching(MemoryStore):
    def touch(self, touches: Sequence[Touch]) -> set[str]:
        return {touch.session_id for touch in touches}


class SavesWhatHasExpired(MemoryStore):
    def _live_key_of(self, session_id: str) -> bytes | None:
        return self._key_of(session_id)


class KeepsTheOldToken(MemoryStore):
    def rotate(self, rotation: Rotation, *, connection: Any = None) -> Record | None:
        row = super().rotate(rotation, connection=connection)
        if row is not None:
            self._rows[rotation.old_hash] = row
        return row


class GraceNeverEnds(MemoryStore):
    def _current(self, token_hash: bytes) -> bytes:
        return self._latest(token_hash)


class IgnoresLimits(MemoryStore):
    def create(self, new: NewSession, *, connection: Any = None) -> Any:
        return super().create(new._replace(limit=None), connection=connection)


class ForgetsRemovedKeys(MemoryStore):
    def save(self, change: SessionChange, *, connection: Any = None) -> Record | None:
        return super().save(change._replace(remove=()), connection=connection)


class LeaseUnchecked(Knowledge):
    def apply(self, page: LogPage, sent: int) -> None:
        super().apply(page, sent)
        self.proven_until = 2**62


class UsersAndEveryoneIgnored(Knowledge):
    def outdated(self, as_of: int, subjects: Iterable[str]) -> bool:
        return any(self._entries.get(subject, -1) >= as_of for subject in subjects if not subject.startswith("u:"))


class Machine(SessionsMachine):
    bound: ClassVar[timedelta] = LEASE
    kind: ClassVar[type[MemoryStore]] = MemoryStore

    def __init__(self) -> None:
        super().__init__()
        self.store = self.kind(clock=self.clock)

    def make_store(self) -> Store:
        return self.store


@pytest.mark.parametrize(
    ("mistaken", "begin"),
    [
        (ChangesSilently, 1),
        (ConfirmsWithoutTouching, 10),
        (SavesWhatHasExpired, 10),
        (KeepsTheOldToken, 1),
        (IgnoresLimits, 9),
        (ForgetsRemovedKeys, 10),
        (GraceNeverEnds, 3),
    ],
)
def test_a_mistaken_store_is_found(mistaken: type[MemoryStore], begin: int) -> None:
    """By comparing what it answers with the model."""
    with pytest.raises(AssertionError):
        run_state_machine_as_test(seed(begin)(type("Mistaken", (Machine,), {"kind": mistaken})), settings=FIND)


@pytest.mark.parametrize("mistaken", [LeaseUnchecked, UsersAndEveryoneIgnored])
def test_a_mistaken_worker_is_found(mistaken: type[Knowledge], monkeypatch: pytest.MonkeyPatch) -> None:
    """By asking every worker after a lease."""
    monkeypatch.setattr(log_reader, "Knowledge", mistaken)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(seed(0)(type("Watched", (Machine,), {})), settings=FIND)

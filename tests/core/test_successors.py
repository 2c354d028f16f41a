"""Seals on successors, and when a token is due."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from coatcheck import CacheSettings, ConfigurationError, Policy
from coatcheck.core.credentials import Credentials
from coatcheck.core.session import STAMP
from coatcheck.core.session_copies import SessionCopies
from coatcheck.core.successors import Retired, opened, sealed
from coatcheck.core.tokens import TokenHash, new_token
from coatcheck.stores.base import Reading
from coatcheck.testing._rows import HOUR, a_row

OLD = new_token().reveal().encode()


def test_L16_a_seal_opens_with_the_retired_token_alone() -> None:
    """For a token of any form, as of an adopted table; with another it gives something else."""
    for retired in (OLD, b"a-token-of-another-system-0123456789"):
        successor = new_token()
        seal = sealed(successor, retired)
        assert opened(seal, retired) == successor
        assert opened(seal, new_token().reveal().encode()) != successor


def test_T5_a_seal_says_nothing_of_either_token() -> None:
    """Its pad is no hash that a store could have, and the same for one token only."""
    successor = new_token()
    seals = {sealed(successor, new_token().reveal().encode()) for _ in range(100)}
    assert len(seals) == 100
    hashes = {TokenHash(purpose=purpose)(OLD) for purpose in ("session", "admin")}
    assert sealed(new_token(), OLD) not in hashes


def test_S3_a_successor_does_not_depend_on_who_signed_the_token() -> None:
    """The seal is about the secret, and not about the signature behind it."""
    credentials = Credentials(TokenHash(), None)
    made: Any = credentials.succession(OLD)
    assert credentials.hash_of_new(credentials.opened(made[2], OLD)) == made[1]


@pytest.mark.parametrize(
    ("since", "authenticated", "due"),
    [(None, 0, HOUR), (HOUR, 0, 2 * HOUR), (HOUR, 2 * HOUR, 3 * HOUR)],
    ids=["from the sign-in", "from the last rotation", "from another proof"],
)
def test_L16_a_copy_is_served_until_its_token_is_due(since: int | None, authenticated: int, due: int) -> None:
    """And from then on as long as any; the store's clock tells."""
    copies = SessionCopies(CacheSettings(ttl=timedelta(minutes=10)), touch_every=0, rotate_after=HOUR * 1000)
    record = a_row(0, authenticated_at=authenticated)
    before = Reading("", 1, (due - 1) * 1000, record, since)
    assert not copies.is_due(before)
    assert STAMP.unpack_from(copies.kept(before) or b"")[1] == due * 1000
    after = before._replace(now=due * 1000)
    assert copies.is_due(after)
    assert STAMP.unpack_from(copies.kept(after) or b"")[1] == due * 1000 + copies.ttl


def test_L16_nothing_is_kept_under_a_retired_token() -> None:
    """Neither here nor for others, and a session that was read by it is good no longer than its grace."""
    copies = SessionCopies(CacheSettings(), touch_every=0, rotate_after=HOUR * 1000, shared_ttl=10**12)
    record = a_row(0)
    reading = Reading("", 1, 0, record, None, Retired(record.id, 30))
    assert copies.kept(reading) is None
    assert copies.shared(reading) is None
    assert copies.is_due(reading)
    assert STAMP.unpack_from(copies.copy_of(reading, record, 10**12))[1] == 30 * 1000


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rotation_grace": timedelta(0)}, "rotation_grace=0:00:00 is not possible: use one second to ten minutes"),
        ({"rotate_after": timedelta(seconds=59)}, "rotate_after=0:00:59 is not possible: use twice rotation_grace"),
        ({"on_reuse": "ignore"}, "on_reuse='ignore' is not possible: use 'end' or 'event'"),
    ],
)
def test_L16_a_wrong_policy_is_refused(settings: dict[str, Any], said: str) -> None:
    """Where it is made, with the value and the fix."""
    with pytest.raises(ConfigurationError, match=said):
        Policy(**settings)

"""Tokens that a provider has refused: remembered for a moment, and not too many of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.refused_tokens import Refusal, RefusedTokens

SECOND = 10**9
REFUSAL = Refusal(NotSignedIn.UNKNOWN, 7)


def test_a_refusal_is_remembered_from_when_the_provider_was_asked() -> None:
    refused = RefusedTokens(most=10, keep=5 * SECOND)
    refused.add(b"key", REFUSAL, 100)
    assert refused.get(b"key", 100 + 5 * SECOND - 1) == REFUSAL
    assert refused.get(b"key", 100 + 5 * SECOND) is None
    assert refused.get(b"another", 100) is None


@pytest.mark.parametrize(("admitted", "kept"), [(0, 0), (-1, 0), (2, 2), (60, 5)])
def test_no_longer_than_the_provider_admits(admitted: int, kept: int) -> None:
    refused = RefusedTokens(most=10, keep=5 * SECOND)
    refused.add(b"key", REFUSAL, 0, admitted=timedelta(seconds=admitted))
    assert (refused.get(b"key", kept * SECOND - 1) is not None) == (kept > 0)
    assert refused.get(b"key", kept * SECOND) is None


def test_nothing_is_remembered_where_that_is_not_wanted() -> None:
    refused = RefusedTokens(most=10, keep=0)
    refused.add(b"key", REFUSAL, 0)
    assert len(refused) == 0


def test_S12_made_up_tokens_fill_no_memory() -> None:
    """The newest are remembered."""
    refused = RefusedTokens(most=10, keep=SECOND)
    for number in range(1000):
        refused.add(b"%d" % number, REFUSAL, 0)
        assert len(refused) <= 10
    assert refused.get(b"999", 0) == REFUSAL
    assert refused.get(b"1", 0) is None

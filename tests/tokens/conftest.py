"""Sessions whose users have tokens, signed with keys."""

from __future__ import annotations

import pytest

from tests.on_a_file import clock, events, path, sessions

__all__ = ["clock", "events", "path", "sessions"]


@pytest.fixture
def keys() -> list[str]:
    return ["a key of the first kind, 32 octets or more", "another key, of 32 octets or more, too"]

"""Every parser of what a client sends, under fire for a moment; `make fuzz SECONDS=600` goes on for longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fuzz.target import attack
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fuzz.target import Target

EXAMPLES = 150


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_T7_whatever_a_client_sends_is_read_as_it_should_be_or_refused(target: Target, tmp_path: Path) -> None:
    with target.opened(tmp_path) as check:
        attack(target, check, max_examples=EXAMPLES)()

"""All that is attacked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fuzz.console import CONSOLE
from tests.fuzz.copies import SHARED
from tests.fuzz.readers import READERS
from tests.fuzz.requests import REQUESTS
from tests.fuzz.tokens import TOKENS

if TYPE_CHECKING:
    from tests.fuzz.target import Target

TARGETS: list[Target] = [*READERS, *TOKENS, *REQUESTS, CONSOLE, SHARED]

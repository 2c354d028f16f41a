"""What tests in several places need: `from tests.support import missing`."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

REQUIRE_ALL = os.environ.get("COATCHECK_REQUIRE_ALL") == "1"
"""Whether everything that a test may need has to be there, as it is in continuous integration."""


def missing(reason: str) -> NoReturn:
    """Skip the test, or the module it is called from; fail where nothing may be missing."""
    if REQUIRE_ALL:
        pytest.fail(f"COATCHECK_REQUIRE_ALL is set, but {reason}", pytrace=False)
    pytest.skip(reason, allow_module_level=True)

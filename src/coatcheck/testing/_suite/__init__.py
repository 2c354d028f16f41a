# Generated from testing/_async_suite/__init__.py by tools/generate_sync.py: edit that, run `make generate`.
"""The parts of the conformance suite, for threads."""

import pytest

# Before they are imported, so that a failing assertion shows what it compared.
_PARTS = (
    *("acting", "auditing", "rows", "changes", "devices", "endings"),
    *("kinds", "limits", "log", "retiring", "searching"),
)
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in _PARTS))

"""The parts of what every integration keeps."""

import pytest

# Before they are imported, so that a failing assertion shows what it compared.
pytest.register_assert_rewrite(
    *(f"{__name__}.{part}" for part in ("changes", "endings", "outages", "responses", "streams", "tokens"))
)

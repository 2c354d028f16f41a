"""An empty folder, and none of our variables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder, with none of our variables set."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("COATCHECK_"):
            monkeypatch.delenv(name)
    return tmp_path

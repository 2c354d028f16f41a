"""The style that the pages of coatcheck have in common: their colours, for light and dark screens."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache  # not when it is imported: most applications have no such page
def shared_style() -> str:
    """Return it; what a page has of its own comes after it."""
    return (Path(__file__).parent / "static" / "shared.css").read_text(encoding="utf-8")

"""How a page of a site waits until a test lets it go on: by files, which every process sees."""

from __future__ import annotations

import os
import time
from pathlib import Path

PAUSE = 0.005


def wait(name: str) -> None:
    """Say that a page is there, and wait."""
    folder = Path(os.environ["GATES"])
    (folder / f"{name}.here").touch()
    while not (folder / f"{name}.go").exists():
        time.sleep(PAUSE)

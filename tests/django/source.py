"""The source of the installed Django, for the tests in it: fetched when they run, and nothing of it is in here."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import django

from tests.support import missing

FOLDER = Path(__file__).parents[2] / ".upstream"
"""Where it is kept between runs; git ignores it."""


def source() -> Path:
    """Return the unpacked source distribution of this very release of Django."""
    place = FOLDER / f"django-{django.__version__}"
    if not place.is_dir():
        FOLDER.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            wanted = f"django=={django.__version__}"
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
            done = subprocess.run([*command, "-d", folder, wanted], capture_output=True, check=False)
            archives = list(Path(folder).glob("*.tar.gz"))
            if done.returncode or not archives:
                missing("pip cannot download the source of Django")
            with tarfile.open(archives[0]) as archive:
                archive.extractall(folder, filter="data")
            (Path(folder) / place.name).rename(place)
    return place

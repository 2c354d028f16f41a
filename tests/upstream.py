"""Sources of other people's projects, for the tests in them: fetched when they run, and nothing of it is in here."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.support import missing

FOLDER = Path(__file__).parents[1] / ".upstream"
"""Where they are kept between runs; git ignores it."""


def source(name: str, release: str | None = None) -> Path:
    """Return the unpacked source distribution of a project: of the very release that is installed, or of another."""
    release = release or version(name)
    place = FOLDER / f"{name}-{release}"
    if not place.is_dir():
        FOLDER.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
            wanted = f"{name}=={release}"
            done = subprocess.run([*command, "-d", folder, wanted], capture_output=True, check=False)
            archives = list(Path(folder).glob("*.tar.gz"))
            if done.returncode or not archives:
                missing(f"pip cannot download the source of {name}")
            with tarfile.open(archives[0]) as archive:
                archive.extractall(folder, filter="data")
            (unpacked,) = (each for each in Path(folder).iterdir() if each.is_dir())
            unpacked.rename(place)
    return place

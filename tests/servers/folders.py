"""Folders for the servers' files."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from tests.servers.accounts import give_away

_MEMORY = Path("/dev/shm")  # noqa: S108
_ENOUGH = 4 << 30


def _parent() -> Path | None:
    """Return the file system in memory where it is large: an empty database is made there in a tenth of the time."""
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _ENOUGH:
        return None
    return _MEMORY


def new_folder(name: str) -> Path:
    """Make a folder that the servers' account can enter, as it cannot pytest's own; short, for the sockets in it."""
    folder = Path(tempfile.mkdtemp(prefix=f"coatcheck-{name}-", dir=_parent()))
    give_away(folder)
    return folder


def lasting_folder(name: str) -> Path:
    """Make a folder that goes when this process ends."""
    folder = new_folder(name)
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a fork that ends leaves its parent's folders alone
        shutil.rmtree(folder, ignore_errors=True)

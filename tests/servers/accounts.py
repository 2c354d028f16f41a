"""The account that servers run under which refuse to be root."""

from __future__ import annotations

import os
import pwd
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = ("postgres", "nobody")


@cache
def _unprivileged() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(known[name] for name in _NAMES if name in known)


def unprivileged() -> dict[str, Any]:
    """Return the arguments with which `subprocess` starts a server; none when we are not root ourselves."""
    account = _unprivileged()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


def give_away(path: Path) -> None:
    """Make a folder, with all that is in it, the property of that account."""
    if account := _unprivileged():
        for each in (path, *path.rglob("*")):
            os.chown(each, account.pw_uid, account.pw_gid, follow_symlinks=False)


def can_run(program: Path) -> bool:
    """Say whether that account reaches a program; it does not where the checkout is root's alone."""
    try:
        subprocess.run([program, "--version"], check=True, capture_output=True, cwd="/", **unprivileged())
    except PermissionError:
        return False
    return True

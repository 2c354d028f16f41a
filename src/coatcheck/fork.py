"""What must be made anew in a child process: servers that fork after loading the application are common."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forks(Protocol):
    """Something that holds connections, locks, threads or tasks."""

    def forked(self) -> None:
        """Drop, without using or closing it, all that belongs to the parent process."""
        ...


_registered: weakref.WeakSet[Forks] = weakref.WeakSet()


def after_fork(thing: Forks) -> None:
    """Call `thing.forked()` in every child, for as long as the thing is in use."""
    _registered.add(thing)


def _forked() -> None:
    for thing in list(_registered):
        thing.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

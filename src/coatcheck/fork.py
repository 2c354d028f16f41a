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


class HoldsFiles(Protocol):
    """Something with files that a child must not even inherit."""

    def forking(self) -> None:
        """Close them, and open none until the fork is over."""
        ...

    def resumed(self) -> None:
        """Go on in the parent."""
        ...


_registered: weakref.WeakSet[Forks] = weakref.WeakSet()
_holders: weakref.WeakSet[HoldsFiles] = weakref.WeakSet()


def after_fork(thing: Forks) -> None:
    """Call `thing.forked()` in every child, for as long as the thing is in use."""
    _registered.add(thing)


def around_fork(thing: HoldsFiles) -> None:
    """Call `thing.forking()` before every fork and `thing.resumed()` after it in the parent."""
    _holders.add(thing)


def _forking() -> None:
    for thing in list(_holders):
        thing.forking()


def _resumed() -> None:
    for thing in list(_holders):
        thing.resumed()


def _forked() -> None:
    for thing in list(_registered):
        thing.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_forking, after_in_parent=_resumed, after_in_child=_forked)

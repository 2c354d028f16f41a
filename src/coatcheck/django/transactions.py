"""Transactions of Django's: when a write joins one, and when a read has to see what is not committed yet."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from django.db import connections, transaction

from coatcheck.django.running import running

if TYPE_CHECKING:
    from collections.abc import Generator

    from django.db.backends.base.base import BaseDatabaseWrapper

_changed_in: WeakKeyDictionary[BaseDatabaseWrapper, object] = WeakKeyDictionary()
"""Connections, and the outermost block in which sessions were last changed through them."""


def to_write() -> Any:
    """Return the connection whose transaction a write joins; None for a transaction of its own.

    Inside a block it always joins: on SQLite, which has one writer, it would wait for the block's end otherwise.
    """
    wiring = running.wiring()
    if not wiring.joins or wiring.database is None:
        return None
    connection = connections[wiring.database]
    if not connection.in_atomic_block:
        return None
    _changed_in[connection] = connection.atomic_blocks[0]
    return connection


def to_read() -> Any:
    """Return the connection to read on when it may see changes that nobody else sees; None for memory and the store."""
    if not _changed_in:
        return None
    wiring = running.wiring()
    if wiring.database is None:
        return None
    connection = connections[wiring.database]
    block = _changed_in.get(connection)
    if block is None:
        return None
    if connection.in_atomic_block and connection.atomic_blocks[0] is block:
        return connection
    # It is over. Noticed here and not by `on_commit`, whose callbacks a site's tests may count.
    del _changed_in[connection]
    running.doubt()
    return None


@contextmanager
def together() -> Generator[None]:
    """Do two things in one transaction, where the sessions are in a database of Django's."""
    wiring = running.wiring()
    if wiring.joins and wiring.database is not None:
        with transaction.atomic(using=wiring.database):
            yield
    else:
        yield

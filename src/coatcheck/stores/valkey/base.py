# Generated from stores/valkey/async_base.py by tools/generate_sync.py: edit that, run `make generate`.
"""What all of the Valkey store's verbs stand on, for threads: its connections, its keys and its scripts."""

from __future__ import annotations

import re
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from coatcheck.errors import ConfigurationError, SchemaError, Unavailable
from coatcheck.fork import after_fork
from coatcheck.stores.base import Vitals
from coatcheck.stores.valkey import scripts
from coatcheck.stores.valkey._wire import Wire
from coatcheck.stores.valkey.failures import wrong_setting
from coatcheck.stores.valkey.listener import Listener
from coatcheck.stores.valkey.question import Question
from coatcheck.stores.valkey.server import problems_of, too_old

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.clock import Clock
    from coatcheck.stores.valkey.scripts import Script

LAYOUT = 1
"""The form of the keys."""

AT_ONCE = 500
"""So many touches or entries go into one script: more of them would keep everybody else waiting."""

_PREFIX = re.compile(r"[A-Za-z0-9_.:-]+")


class ValkeyBase:
    """The way to the server, and what it says about itself."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "coatcheck",
        timeout: float = 1.0,
        max_connections: int = 32,
        poll_writes: bool = False,
        clock: Clock | None = None,
    ) -> None:
        """Name the server; nothing is connected yet.

        Args:
            url: Such as `valkey://host:6379/0`; see `coatcheck.valkey_urls` for TLS, Sentinel and clusters.
            prefix: What all keys begin with, in braces.
            timeout: How many seconds a call may take before it is `Unavailable`.
            max_connections: How many connections a process may have; who needs another one waits.
            poll_writes: Whether each poll counts as a write, so that a master that `min-replicas-to-write` forbids
                to write can prove nothing.
            clock: Where the time comes from, instead of the server; for tests.

        Raises:
            ConfigurationError: The URL, the prefix or the timeout is not possible.
        """
        if not _PREFIX.fullmatch(prefix):
            msg = f"store prefix={prefix!r} is not possible: use letters, digits, and '_', '-', '.' or ':'"
            raise ConfigurationError(msg)
        if timeout <= 0:
            msg = f"store timeout={timeout!r} is not possible: use more than zero seconds"
            raise ConfigurationError(msg)
        self._meta_key = f"{{{prefix}}}:meta"
        self._clock = clock
        self._poll_writes = poll_writes
        self._wire = Wire(url, timeout=timeout, max_connections=max_connections)
        # Polls have a connection of their own: whatever the others are busy with, the lease can be renewed.
        self._reserved = Wire(url, timeout=timeout, max_connections=1)
        self._listener = Listener(url, timeout=timeout, meta_key=self._meta_key, log_key=f"{{{prefix}}}:log")
        self._question = Question(self._meta_key)
        after_fork(self)

    def forked(self) -> None:
        """Leave the parent's connections alone."""
        self._wire.forked()
        self._reserved.forked()
        self._listener.forked()

    def open(self) -> None:
        """Verify the server and its settings, if it can be reached; if not, it will be asked again by every call.

        Raises:
            ConfigurationError: It can never work: wrong password, wrong database, too old a server.
            SchemaError: The keys were written by a newer release.
        """
        self._listener.reopen()
        try:
            layout = self._wire.command(self._meta_key, "HGET", self._meta_key, "layout")
            info = self._wire.command(self._meta_key, "INFO", "server")
            self._run(scripts.READ, "id", "")
        except Unavailable as error:
            if (wrong := wrong_setting(error.__cause__)) is not None:
                msg = f"store with {wrong}"
                raise ConfigurationError(msg) from error
            return
        if (old := too_old(info)) is not None:
            raise ConfigurationError(old)
        if layout is not None and int(layout) > LAYOUT:
            msg = f"the keys of this store have layout {int(layout)}, this release knows {LAYOUT}: use a newer release"
            raise SchemaError(msg)

    def close(self) -> None:
        """Close every connection this process has made."""
        self._listener.close()
        self._reserved.close()
        self._wire.close()

    def migrate(self) -> Sequence[str]:
        """Do nothing: there are no tables."""
        return ()

    def problems(self) -> Sequence[str]:
        """Say which settings of the server are unsafe, each with the fix."""
        info = self._wire.command(self._meta_key, "INFO")
        try:
            saves = self._wire.command(self._meta_key, "CONFIG", "GET", "save")
        except Unavailable:  # as with many who rent out servers
            saves = None
        return problems_of(info, saves, clustered=self._wire.clustered)

    def vitals(self) -> Vitals:
        """Tell how the connections are; asks nobody."""
        connections, idle = self._wire.count()
        return Vitals(self._listener.listens, connections, idle)

    def unchanged(self, cursor: object) -> bool:  # noqa: ARG002 - nothing here can tell
        """Leave it to the lease, and to `news`."""
        return True

    def news(self, seen: int, seconds: float) -> int:
        """Wait until the log may have grown, or so many seconds; returns how often it has."""
        return self._listener.news(seen, seconds)

    def _run(self, script: Script, *arguments: str | bytes | int) -> Any:
        return self._wire.run(script, self._meta_key, self._now(), token_hex(16), *arguments)

    def _ask(self, script: Script, *arguments: str | bytes | int) -> Any:
        try:
            return self._reserved.run(script, self._meta_key, self._now(), token_hex(16), *arguments)
        except Unavailable:
            # Perhaps it leads to a server that is not the master any more; the next attempt finds out.
            self._reserved.renew()
            raise

    def _now(self) -> str | int:
        return "" if self._clock is None else self._clock.now() // 1000


def refuse(connection: Any) -> None:
    """Refuse a caller's connection.

    Raises:
        ConfigurationError: There is one.
    """
    if connection is not None:
        msg = "connection= is not possible: Valkey has no transactions to join"
        raise ConfigurationError(msg)

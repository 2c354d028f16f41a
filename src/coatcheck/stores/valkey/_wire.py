"""The way to the server for threads. Its twin for asyncio is `_async_wire.py`, written by hand as well."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as Broken
from redis.exceptions import NoScriptError

from coatcheck.stores.valkey.failures import FAILURES, unavailable
from coatcheck.valkey_urls import client, parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.stores.valkey.scripts import Script


class Wire:
    """A client for each process, whose every call ends within the timeout."""

    def __init__(self, url: str, *, timeout: float, max_connections: int) -> None:
        """Check the URL; nothing is connected yet."""
        self.clustered = parsed(url).kind == "cluster"
        self._url = url
        # A thread cannot be interrupted, so each step has its own time: waiting for a connection, and the answer.
        self._timeout = timeout / 2
        self._max_connections = max_connections
        self._client: Any = None
        self._lock = threading.Lock()

    def run(self, script: Script, key: str, *arguments: str | bytes | int) -> Any:
        """Run a script, which the server remembers after the first time, and after each restart.

        Raises:
            Unavailable: The server could not answer; whether it has done it nobody knows.
        """
        try:
            try:
                return self._evaluated(script, key, arguments)
            except Broken:
                if not script.repeatable:
                    raise
            # The server may have been restarted since the connection was used, and the others with it.
            self.renew()
            return self._evaluated(script, key, arguments)
        except FAILURES as error:
            raise unavailable(error) from error

    def _evaluated(self, script: Script, key: str, arguments: Sequence[str | bytes | int]) -> Any:
        client = self._connected()
        try:
            return client.execute_command("EVALSHA", script.sha, 1, key, *arguments)
        except NoScriptError:
            return client.execute_command("EVAL", script.text, 1, key, *arguments)

    def together(self, packet: bytes, answers: int) -> list[Any]:
        """Send commands that change nothing, in the protocol's own words, and return their answers.

        On the connection itself, for the client's pipelines cost several times what the server takes. A cluster has
        no such connection.

        Raises:
            Unavailable: The server could not answer.
        """
        try:
            try:
                return self._answers(packet, answers)
            except Broken:
                self.renew()  # as in `run`
            return self._answers(packet, answers)
        except FAILURES as error:
            raise unavailable(error) from error

    def _answers(self, packet: bytes, answers: int) -> list[Any]:
        pool = self._connected().connection_pool
        connection = pool.get_connection()
        try:
            connection.send_packed_command([packet])
            return [connection.read_response() for _ in range(answers)]
        except BaseException:
            connection.disconnect()  # an answer that nobody has read must not become another's
            raise
        finally:
            pool.release(connection)

    def command(self, key: str, *words: str | int) -> Any:
        """Send a command to the server that has the key.

        Raises:
            Unavailable: The server could not answer.
        """
        try:
            client = self._connected()
            if not self.clustered:
                return client.execute_command(*words)
            return client.execute_command(*words, target_nodes=client.get_node_from_key(key))
        except FAILURES as error:
            raise unavailable(error) from error

    def renew(self) -> None:
        """Drop the connections that nobody uses: they may lead to a server that is the master no more."""
        if self._client is not None and not self.clustered:
            self._client.connection_pool.disconnect(inuse_connections=False)

    def close(self) -> None:
        """Close every connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def count(self) -> tuple[int, int]:
        """Return how many connections there are, and how many of them nobody uses; zeros where that is not known."""
        if self._client is None or self.clustered:
            return 0, 0
        pool = self._client.connection_pool
        return len(pool._connections), len(pool._get_free_connections())  # noqa: SLF001 - nothing else tells

    def forked(self) -> None:
        """Leave the parent's connections alone: what the child closes is only its own copy of them."""
        self._lock = threading.Lock()
        self._client = None

    def _connected(self) -> Any:
        found = self._client
        if found is not None:
            return found
        # A cluster is asked for its nodes here: while it does not answer, nobody queues up behind all the others.
        if not self._lock.acquire(timeout=self._timeout):
            msg = "No connection available."
            raise Broken(msg)
        try:
            if self._client is None:
                self._client = client(self._url, timeout=self._timeout, max_connections=self._max_connections)
            return self._client
        finally:
            self._lock.release()

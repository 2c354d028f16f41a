"""What all servers of the tests have in common."""

from __future__ import annotations

import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tests.servers import processes
from tests.servers.accounts import unprivileged
from tests.servers.folders import new_folder
from tests.servers.ports import Port
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAIL = 4_000


class Server(ABC):
    """A server process with a port and a folder of its own. As a context manager it is started, and removed after."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self) -> None:
        self.folder = new_folder(self.name)
        self._port = Port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Return the words that start the server."""

    @abstractmethod
    def answers(self) -> bool:
        """Say whether the server serves."""

    @property
    def port(self) -> int:
        return self._port.number

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the server has said so far."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start the server, and return when it answers."""
        assert not self.running
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, **self.account()
            )
        until(self._ready, f"{self.name} answers")

    def account(self) -> dict[str, Any]:
        """Return how `subprocess` starts the server as somebody who is not root."""
        return unprivileged()

    def _ready(self) -> bool:
        if self._process is not None and (code := self._process.poll()) is not None:
            raise RuntimeError(f"{self.name} has ended with {code}:\n{self.log[-_TAIL:]}")
        return self.answers()

    def stop(self) -> None:
        """Ask the server to end, and return when it has."""
        self._end(self.stop_signal)

    def _end(self, number: signal.Signals) -> None:
        process = self._running()
        process.send_signal(number)
        self.resume()  # who stands still does not hear
        process.wait(DEADLINE)
        self._process = None

    def kill(self) -> None:
        """End the server and all its processes with SIGKILL: nothing is written any more."""
        process = self._running()
        processes.kill(process.pid)
        process.wait(DEADLINE)
        self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Stop every process of the server where it is, and return when all stand still; connections stay open."""
        processes.pause(self.pid)

    def resume(self) -> None:
        processes.resume(self.pid)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"{self.name} does not run"
        return self._process

    def close(self) -> None:
        """End the server if it runs, and remove everything of it."""
        if self.running:
            self.kill()
        self._process = None
        self._port.close()
        shutil.rmtree(self.folder)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""The processes of a test: started, told what to do, and ended whatever happens."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from coatcheck.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
KINDS = ("plain", "threads", "tasks", "plain")
"""How the four workers validate."""

DEADLINE = 60.0

now = SystemClock.monotonic


class Process:
    """One worker process.

    Attributes:
        module: What it runs; another one takes more settings.
    """

    module: ClassVar[str] = "tests.processes.worker"

    def __init__(
        self, path: str, kind: str = "plain", *, users: dict[str, Any] | None = None, lease: float = 2, **more: Any
    ) -> None:
        settings = json.dumps({"path": path, "kind": kind, "users": users, "lease": lease, **more})
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module, settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._input, self._output = self.process.stdin, self.process.stdout
        self._lines: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        for line in self._output:
            self._lines.put(line)
        self._lines.put("")

    def tell(self, do: str, **command: Any) -> None:
        self._input.write(json.dumps({"do": do, **command}) + "\n")
        self._input.flush()

    def hear(self) -> dict[str, Any]:
        """Return the process's next answer."""
        line = self._lines.get(timeout=DEADLINE)
        assert line, f"the process has ended with {self.process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def rest(self) -> list[dict[str, Any]]:
        """Return what the process, which has ended, still had said."""
        return [json.loads(line) for line in iter(self._lines.get, "")]

    def ask(self, do: str, **command: Any) -> dict[str, Any]:
        self.tell(do, **command)
        return self.hear()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> None:
        """Stop the process, and return when it stands still."""
        self.signal(signal.SIGSTOP)
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)
        self.close()

    def close(self) -> None:
        self._listener.join(DEADLINE)
        self._input.close()
        self._output.close()

    def end(self) -> None:
        """Let the process end by itself, and verify that it did."""
        self.tell("end")
        code = self.process.wait(DEADLINE)
        self.close()
        assert code == 0


class Fleet:
    """Several workers on one database."""

    def __init__(self, path: str, workers: Sequence[Process]) -> None:
        self.path = path
        self.workers = list(workers)

    def tell(self, do: str, **command: Any) -> None:
        for worker in self.workers:
            worker.tell(do, **command)

    def hear(self) -> list[dict[str, Any]]:
        return [worker.hear() for worker in self.workers]

    def ask(self, do: str, **command: Any) -> list[dict[str, Any]]:
        self.tell(do, **command)
        return self.hear()

    @contextmanager
    def validating(self, tokens: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """Have every worker validate the tokens in a loop, each of them at least once before and once after.

        Yields:
            A list, in which the workers' tallies are afterwards.
        """
        tallies: list[dict[str, Any]] = []
        assert all(answer == {"validating": True} for answer in self.ask("validate", tokens=tokens))
        yield tallies
        self.tell("stop")
        tallies += self.hear()


@contextmanager
def fleet(
    path: str, *, kinds: Sequence[str] = KINDS, users: dict[str, Any] | None = None, lease: float = 2
) -> Iterator[Fleet]:
    """Start workers on a database that has its tables, and end them."""
    workers = [Process(path, kind, users=users, lease=lease) for kind in kinds]
    try:
        for worker in workers:
            assert worker.hear() == {"ready": True}
        yield Fleet(path, workers)
        for worker in workers:
            worker.end()
    finally:
        for worker in workers:
            if worker.process.poll() is None:
                worker.kill()

"""The workers of a fleet on any store, and the shell in which somebody types SQL."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tests.processes.fleet import Fleet, Process
from tests.servers.waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.servers.postgresql import PostgreSQL

KINDS = ("async", "async", "sync")
LEASE = 1.0
PAUSE = 0.001
"""Seconds between two looks at all tokens: it leaves the two cores to the servers."""


class Worker(Process):
    """One worker process."""

    module: ClassVar[str] = "tests.fleet.worker"

    def __init__(
        self,
        url: str,
        kind: str = "async",
        *,
        lease: float = LEASE,
        stale: float = 0,
        cache: str | None = None,
        patience: float = 0.05,
        pause: float = PAUSE,
        options: dict[str, Any] | None = None,
    ) -> None:
        more: dict[str, Any] = {
            "stale": stale,
            "cache": cache,
            "patience": patience,
            "pause": pause,
            "options": options or {},
        }
        super().__init__(url, kind, lease=lease, **more)
        self.lease = lease
        self.stale = stale


def start(workers: Sequence[Worker], stack: ExitStack) -> list[Worker]:
    """Let workers begin together, and see that they end."""
    for worker in workers:
        stack.callback(_kill, worker)
    for worker in workers:
        assert worker.hear() == {"ready": True}
    return list(workers)


def _kill(worker: Worker) -> None:
    if worker.process.poll() is None:
        worker.kill()


@contextmanager
def fleet(url: str | Sequence[str], *, kinds: Sequence[str] = KINDS, **settings: Any) -> Iterator[Fleet]:
    """Start workers on a store that has its tables, or each by its own way to it, and end them."""
    urls = [url] * len(kinds) if isinstance(url, str) else url
    with ExitStack() as stack:
        workers = start([Worker(each, kind, **settings) for each, kind in zip(urls, kinds, strict=True)], stack)
        yield Fleet(urls[0], workers)
        for worker in workers:
            worker.end()


class Shell:
    """One `psql`, with somebody typing into it."""

    def __init__(self, server: PostgreSQL, database: str) -> None:
        self._process = subprocess.Popen(
            [server.programs / "psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", server.url(database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout

    def type(self, sql: str) -> str:
        """Type a statement, and return what the shell says when it has done it."""
        self._input.write(f"{sql};\n\\echo done\n")
        self._input.flush()
        said = ""
        while (line := self._output.readline()) != "done\n":
            assert line, f"psql has ended with {self._process.wait(DEADLINE)}"
            said += line
        return said

    def kill(self) -> None:
        """Let the one who types die."""
        self._process.kill()
        self._process.wait(DEADLINE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._input.close()
        self._output.close()

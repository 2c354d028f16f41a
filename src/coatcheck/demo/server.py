"""One of the demo's processes: `python -m coatcheck.demo.server NUMBER HOST FIRST_PORT DATABASE`."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import uvicorn

from coatcheck.demo.application import create_app
from coatcheck.demo.settings import Settings
from coatcheck.demo.supervisor import READY

if TYPE_CHECKING:
    import socket


class _Announcing(uvicorn.Server):
    """A server that says when it listens, and stops when standard input ends, as it does with the supervisor."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(f"{READY}\n")
            sys.stdout.flush()
            threading.Thread(target=self._stop_at_end_of_input, daemon=True).start()

    def _stop_at_end_of_input(self) -> None:
        # Not sys.stdin.read(), whose lock would be in the way when the interpreter shuts down.
        os.read(sys.stdin.fileno(), 1)
        self.should_exit = True


def main() -> int:
    """Serve until standard input ends; returns the exit code."""
    number, host, first_port, database = sys.argv[1:]
    settings = Settings(number=int(number), host=host, first_port=int(first_port), database=database)
    config = uvicorn.Config(
        create_app(settings),
        host=host,
        port=settings.port,
        lifespan="on",
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    server = _Announcing(config)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())

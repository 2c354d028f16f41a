"""Ports that stay ours while the server behind them is down."""

from __future__ import annotations

import socket


class Port:
    """A free port on 127.0.0.1, kept until it is closed.

    A socket that is bound and never listens holds it: connecting is refused, nobody else is given the port while the
    server restarts, and the server itself can listen there, because both allow the address to be reused.
    """

    def __init__(self) -> None:
        self._holder = socket.socket()
        self._holder.bind(("127.0.0.1", 0))
        # After the binding: set before it, the system may hand out a port that somebody holds in the same way.
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.number: int = self._holder.getsockname()[1]

    def close(self) -> None:
        self._holder.close()

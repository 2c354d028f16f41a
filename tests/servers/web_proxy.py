"""What the proxies for the web have in common: an address, and that they answer as soon as they listen."""

from __future__ import annotations

import socket

from tests.servers.server import Server


class WebProxy(Server):
    """A proxy that listens on its port; what stands behind it may be away."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 2).close()
        except OSError:
            return False
        return True

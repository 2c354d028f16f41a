"""`coatcheck serve`, as a user starts it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import httpx2

from tests.servers.server import Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ServedGate(Server):
    """One gate on an SQLite file of its own.

    Args:
        settings: Settings as environment variables, without COATCHECK_ before them.
        workers: How many processes answer.
        server: What runs it; the first choice if not given.
    """

    name: ClassVar[str] = "gate"

    def __init__(self, settings: Mapping[str, str] | None = None, *, workers: int = 1, server: str = "") -> None:
        super().__init__()
        self.store = f"sqlite:///{self.folder}/sessions.db"
        self._settings = {"STORE": self.store, "SERVER": server, **(settings or {})}
        self._workers = workers

    def change(self, settings: Mapping[str, str]) -> None:
        """Set more of them, for the next start."""
        self._settings = {**self._settings, **settings}

    def command(self) -> Sequence[str]:
        place = ["--host", "127.0.0.1", "--port", str(self.port)]
        return [sys.executable, "-m", "coatcheck", "serve", *place, "--workers", str(self._workers)]

    def account(self) -> dict[str, Any]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("COATCHECK_")}
        own = {f"COATCHECK_{name}": value for name, value in self._settings.items()}
        return {"env": {**ours, **own}}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            return httpx2.get(f"{self.address}/readyz", timeout=2).status_code == 200
        except httpx2.TransportError:
            return False

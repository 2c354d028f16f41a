"""The React example: its application and the pages that Vite has built, behind one origin."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar

import httpx2

from tests.client.workshop import EXAMPLE
from tests.servers.server import Server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Example(Server):
    """The example as a server that can be stopped and killed."""

    name: ClassVar[str] = "react"

    def __init__(self, pages: Path) -> None:
        super().__init__()
        self._database = self.folder / "react.db"
        self._variables = [f"COATCHECK_PAGES={pages}", f"COATCHECK_STORE=sqlite:///{self._database}"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        serve = [sys.executable, "-m", "uvicorn", "app:app", "--app-dir", str(EXAMPLE), "--port", str(self.port)]
        return ["env", *self._variables, *serve, "--log-level", "warning"]

    def account(self) -> dict[str, Any]:
        return {}  # it does not mind being root, and the checkout may be root's alone

    def answers(self) -> bool:
        try:
            return httpx2.get(self.url, timeout=5, trust_env=False).status_code == 200
        except httpx2.TransportError:
            return False

    def let_authentication_age(self) -> None:
        """Have everybody signed in an hour ago."""
        with closing(sqlite3.connect(self._database)) as connection, connection:
            connection.execute("UPDATE coatcheck_sessions SET authenticated_at = authenticated_at - 3600000000")

"""Prism, a mock of an HTTP API made from its OpenAPI description: it validates what it is asked."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import httpx2

from tests.servers.server import Server
from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "node_modules" / ".bin" / "prism"
APPWRITE = Path("shared/data/appwrite-1.8.1-account.openapi.json")
"""Appwrite's own description of its account API, seen from a folder above the project."""


def appwrite_description() -> dict[str, Any]:
    """Return Appwrite's own description, or skip the test where it is not there."""
    found = next((path for parent in ROOT.parents if (path := parent / APPWRITE).exists()), None)
    if found is None:
        missing(f"../{APPWRITE} is not there")
    description: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return description


class Prism(Server):
    """A mock of an API.

    Args:
        description: The API's description.
        examples: What differs from its own examples, by schema and property.
        dynamic: Whether it makes up what it answers, within the description, instead of showing the examples.
    """

    name: ClassVar[str] = "prism"

    def __init__(
        self,
        description: Mapping[str, Any],
        *,
        examples: Mapping[str, Mapping[str, Any]] | None = None,
        dynamic: bool = False,
    ) -> None:
        if shutil.which("node") is None:
            missing("node is not installed")
        if not PROGRAM.exists():
            missing("@stoplight/prism-cli is not installed: npm ci")
        super().__init__()
        self._dynamic = ["--dynamic"] if dynamic else []
        self._file = self.folder / "description.json"
        self._file.write_text(json.dumps(_with_examples(description, examples or {})))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        return [str(PROGRAM), "mock", "--errors", *self._dynamic, *address, str(self._file)]

    def account(self) -> dict[str, Any]:
        return {}  # it does not mind being root, and the checkout may be root's alone

    def answers(self) -> bool:
        # It reads the description when it is asked for the first time.
        try:
            httpx2.get(self.url, timeout=30, trust_env=False)
        except httpx2.TransportError:
            return False
        return True


def _with_examples(description: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    changed = copy.deepcopy(dict(description))
    for schema, values in others.items():
        changed["components"]["schemas"][schema]["example"].update(values)
    return changed

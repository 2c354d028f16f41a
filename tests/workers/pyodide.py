"""Runs `inside.mjs`: Node with Pyodide and workerd, both from npm."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent.parent
SITE = Path(sysconfig.get_path("purelib"))

PACKAGES = ("pytest", "_pytest", "py.py", "pluggy", "iniconfig", "packaging", "pygments")
"""What the tests import beside coatcheck; none of it is compiled."""

SECONDS = 110


def outcomes_of(tests: Sequence[str], *, packages: Sequence[str] = ()) -> dict[str, str | None]:
    """Run tests in Pyodide; returns the error of each, or None."""
    if shutil.which("node") is None:
        missing("node is not installed")
    for package in ("miniflare", "pyodide"):
        if not (ROOT / "node_modules" / package).is_dir():
            missing(f"node_modules/{package} is not installed: npm ci")
    order = {
        "src": str(ROOT / "src"),
        "root": str(ROOT),
        "site": str(SITE),
        "packages": [*PACKAGES, *packages],
        "tests": list(tests),
    }
    ran = subprocess.run(
        ["node", str(Path(__file__).parent / "inside.mjs"), json.dumps(order)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    lines = [line.removeprefix("RESULT ") for line in ran.stdout.splitlines() if line.startswith("RESULT ")]
    outcomes = {result["name"]: result["error"] for result in map(json.loads, lines)}
    said = f"it did not run\n{ran.stdout}\n{ran.stderr}"
    return {name: outcomes.get(name, said) for name in tests}

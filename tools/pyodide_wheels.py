"""Brings what is compiled for Pyodide into a folder, for the tests, as requirements/dev.txt pins it.

python tools/pyodide_wheels.py .pyodide
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

PINNED = Path(__file__).parent.parent / "requirements" / "dev.txt"

NAMES = ("pydantic-core",)
"""The packages; everything else that the tests need in Pyodide is Python alone."""

# The platform of the Pyodide that package.json names.
PLATFORM = ("--platform", "pyemscripten_2026_0_wasm32", "--python-version", "3.14", "--implementation", "cp")


def pinned(name: str) -> str:
    """Return one requirement with its hashes."""
    found = re.search(rf"^{name}==.*\n(?:\s+--hash.*\n)+", PINNED.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        sys.exit(f"{PINNED} does not name {name}")
    return found[0]


def main() -> int:
    """Install them; returns pip's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("\n".join(map(pinned, NAMES)) + "\n", encoding="utf-8")
        options = ("--no-deps", "--only-binary=:all:", "--require-hashes", "--upgrade", "--target", sys.argv[1])
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *PLATFORM,
            *options,
        ]
        return subprocess.run([*command, "-r", str(requirements)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

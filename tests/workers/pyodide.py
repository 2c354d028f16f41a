"""Runs `inside.mjs` and `serve.mjs`: Node with Pyodide and workerd, both from npm."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sysconfig
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SITE = Path(sysconfig.get_path("purelib"))
WHEELS = ROOT / ".pyodide"
"""What is compiled for Pyodide: `make` puts it there."""

PACKAGES = ("pytest", "_pytest", "py.py", "pluggy", "iniconfig", "packaging", "pygments")
"""What the tests import beside coatcheck; none of it is compiled."""

FRAMEWORKS = (
    *("fastapi", "starlette", "anyio", "idna", "typing_extensions.py", "pydantic", "annotated_types"),
    *("typing_inspection", "annotated_doc", "opentelemetry", "ua_parser", "ua_parser_builtins"),
)

SECONDS = 400
"""All tests in Pyodide take half a minute on an idle machine, and what a machine makes of it that is busy."""


def _command(script: str, **order: Any) -> list[str]:
    if shutil.which("node") is None:
        missing("node is not installed")
    for package in ("miniflare", "pyodide"):
        if not (ROOT / "node_modules" / package).is_dir():
            missing(f"node_modules/{package} is not installed: npm ci")
    wheels = str(WHEELS) if WHEELS.is_dir() else None
    packages = [*PACKAGES, *(FRAMEWORKS if wheels else ())]
    where = {"src": str(ROOT / "src"), "root": str(ROOT), "site": str(SITE), "packages": packages, "wheels": wheels}
    return ["node", str(HERE / script), json.dumps({**where, **order})]


@contextmanager
def _running(command: Sequence[str], **streams: Any) -> Iterator[subprocess.Popen[str]]:
    """Run Node with workerd as its child; neither outlives this, however it ends."""
    process = subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True, **streams)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def outcomes_of(tests: Sequence[str]) -> dict[str, str | None]:
    """Run tests in Pyodide; returns the error of each, or None."""
    command = _command("inside.mjs", tests=list(tests))
    with _running(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        stdout, stderr = process.communicate(timeout=SECONDS)
    lines = [line.removeprefix("RESULT ") for line in stdout.splitlines() if line.startswith("RESULT ")]
    outcomes = {result["name"]: result["error"] for result in map(json.loads, lines)}
    # Node quotes the line that has failed, and Pyodide is a single one.
    said = f"it did not run\n{stdout[-2000:]}\n{stderr[-2000:]}"
    return {name: outcomes.get(name, said) for name in tests}


@contextmanager
def served(worker: str, *, migration: str, variables: Mapping[str, str]) -> Iterator[int]:
    """Serve a Worker on 127.0.0.1; yields the port."""
    command = _command("serve.mjs", worker=worker, migration=migration, variables=dict(variables))
    with _running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdout:
            line = next((line for line in process.stdout if line.startswith("READY ")), None)
            assert line is not None, "it did not start"
            yield int(line.split()[1])
            process.stdin.close()
            assert process.wait(20) == 0

"""The demo: a small application in two server processes, to see a session end everywhere at once."""

from __future__ import annotations

import sys
from importlib.util import find_spec

NEEDS = ("argon2", "fastapi", "jinja2", "python_multipart", "ua_parser", "uvicorn")
"""The packages that the extra `demo` brings."""


def run(host: str, port: int, database: str | None) -> int:
    """Serve the demo from two processes until it is interrupted.

    Args:
        host: The address to listen on.
        port: The first process's port; the second process takes the next one.
        database: The SQLite file; without one, a file in a temporary folder that is removed at the end.

    Returns:
        The exit code: 0 after Ctrl-C, 1 when the demo could not start or one of its processes ended by itself.
    """
    lacking = [name for name in NEEDS if find_spec(name) is None]
    if lacking:
        sys.stderr.write(f"The demo lacks {', '.join(lacking)}. Install it with: pip install 'coatcheck[demo]'\n")
        return 1
    from coatcheck.demo.supervisor import supervise  # noqa: PLC0415 - nobody pays for it who only asks for run

    return supervise(host, port, database)

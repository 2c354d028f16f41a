"""What the steps of docs/request-path.md cost, out of benchmarks/results.md.

The page names rows of those tables, and `docs/conf.py` puts their numbers there when the page is built.
"""

from __future__ import annotations

import re
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results.md"
COMMAND = "python -m benchmarks path"
TABLES = "The path of a request"
"""What the titles of the tables begin with that the command writes."""

_TABLE = re.compile(r"^## (.+)\n\n((?:\|.*\n)+)", re.MULTILINE)


def costs() -> dict[str, str]:
    """Return the microseconds of each row, by its name; of other benchmarks' tables as "table / row"."""
    found: dict[str, str] = {}
    for title, table in _TABLE.findall(RESULTS.read_text(encoding="utf-8")):
        head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        if head[1] != "µs":
            continue
        for name, micros, *_ in rows:
            found[name if title.startswith(TABLES) else f"{title} / {name}"] = micros
    return found


def cost(name: str) -> str:
    """Return what a row says, with its unit.

    Raises:
        LookupError: There is no such row; the message says what to do.
    """
    known = costs()
    if name not in known:
        msg = f"benchmarks/results.md has no row {name!r}; name another one, or run `{COMMAND}` and keep its tables"
        raise LookupError(msg)
    return f"{known[name]}\N{NO-BREAK SPACE}µs"

"""Write docs/rule-tests.md: every rule of docs/security-rules.md with the tests that carry its ID.

`make docs` calls it before Sphinx reads the pages, so the page is never older than the tests.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "rule-tests.md"
RULES = ROOT / "docs" / "security-rules.md"

_ID = re.compile(r"[A-Z]\d+")
_ROW = re.compile(r"^\| ([A-Z]\d+) \| (.+?) \|", re.MULTILINE)
_HEAD = """# Rules and their tests

Each rule of the [security rules](security-rules.md), and the tests whose names carry its ID.
"""


def rules() -> dict[str, str]:
    """Return what each rule says, by its ID, in the order of the page."""
    return dict(_ROW.findall(RULES.read_text(encoding="utf-8")))


def tests() -> dict[str, list[str]]:
    """Return the tests of each rule, as "file: name"."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for folder in ("tests", "src/coatcheck/testing"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for name in _functions(path):
                for rule in _named(name):
                    found[rule].append(f"{path.relative_to(ROOT).as_posix()}: {name}")
    return dict(found)


def _functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
            yield node.name


def _named(name: str) -> Iterator[str]:
    """Yield the IDs that stand at the beginning of a test's name: T5 and L8 in test_T5_L8_nothing_comes_back."""
    for part in name.split("_")[1:]:
        if not _ID.fullmatch(part):
            return
        yield part


def written() -> str:
    """Return the page."""
    known = tests()
    lines = [_HEAD]
    for rule, text in rules().items():
        lines += [f"## {rule}", "", text[0].upper() + text[1:] + ".", ""]
        lines += [f"- `{test}`" for test in known.get(rule, [])]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")

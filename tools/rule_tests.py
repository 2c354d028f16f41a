"""Write docs/rule-tests.md: every rule and every advisory of docs/security-rules.md, with the tests that name it.

A test names a rule at the beginning of its name, and an advisory in its name or in its docstring. `make docs` calls
this before Sphinx reads the pages, so the page is never older than the tests.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "rule-tests.md"
RULES = ROOT / "docs" / "security-rules.md"

_ID = re.compile(r"[A-Z]\d+")
_ROW = re.compile(r"^\| ([A-Z]\d+) \| (.+?) \|", re.MULTILINE)
_ADVISORY = re.compile(r"^\| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
_SECTION = "## Published advisories"
_HEAD = """# Rules and their tests

Each rule of the [security rules](security-rules.md), and the tests whose names carry its ID.
"""
_ADVISORIES_HEAD = f"""{_SECTION}

Each [attack that was published](security-rules.md#published-advisories), and the tests that try it.
"""


class Advisory(NamedTuple):
    """One row: the names of what was published together, what happened, and the rules against it."""

    names: tuple[str, ...]
    happened: str
    rules: tuple[str, ...]


def rules() -> dict[str, str]:
    """Return what each rule says, by its ID, in the order of the page."""
    return dict(_ROW.findall(RULES.read_text(encoding="utf-8")))


def advisories() -> list[Advisory]:
    """Return the advisories, in the order of the page."""
    section = RULES.read_text(encoding="utf-8").partition(_SECTION)[2]
    rows = [row for row in _ADVISORY.findall(section) if row[0] not in {"advisory", "---"}]
    return [
        Advisory(tuple(names.replace("`", "").split(", ")), happened, tuple(held.split(", ")))
        for names, happened, held in rows
    ]


def tests() -> dict[str, list[str]]:
    """Return the tests of each rule, as "file: name"."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for place, function in _functions():
        for rule in _named(function.name):
            found[rule].append(f"{place}: {function.name}")
    return dict(found)


def advisory_tests() -> dict[str, list[str]]:
    """Return the tests of each advisory by its name, as "file: name"."""
    names = [name for advisory in advisories() for name in advisory.names]
    found: defaultdict[str, list[str]] = defaultdict(list)
    for place, function in _functions():
        said = f"{function.name.replace('_', '-')} {ast.get_docstring(function) or ''}"
        for name in names:
            if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said, re.IGNORECASE):
                found[name].append(f"{place}: {function.name}")
    return dict(found)


def _functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for folder in ("tests", "src/coatcheck/testing"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            place = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
                    yield place, node


def _named(name: str) -> Iterator[str]:
    """Yield the IDs that stand at the beginning of a test's name: T5 and L8 in test_T5_L8_nothing_comes_back."""
    for part in name.split("_")[1:]:
        if not _ID.fullmatch(part):
            return
        yield part


def written() -> str:
    """Return the page."""
    known, attacked = tests(), advisory_tests()
    lines = [_HEAD]
    for rule, text in rules().items():
        lines += [f"## {rule}", "", text[0].upper() + text[1:] + ".", ""]
        lines += [f"- `{test}`" for test in known.get(rule, [])]
        lines.append("")
    lines.append(_ADVISORIES_HEAD)
    for advisory in advisories():
        named = dict.fromkeys(test for name in advisory.names for test in attacked.get(name, []))
        lines += [f"### {', '.join(advisory.names)}".replace("*", r"\*"), "", advisory.happened + ".", ""]
        lines += [f"- `{test}`" for test in named]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")

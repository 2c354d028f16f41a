"""The SQL for Better Auth's tables, read from the files beside it."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = files("coatcheck.providers.better_auth") / "sql"
_COMMENT: Final = re.compile(r"^\s*--.*\n?", re.MULTILINE)


@cache
def text(name: str) -> str:
    """Return one SQL file of this package, without its comments."""
    return _COMMENT.sub("", (_FOLDER / f"{name}.sql").read_text(encoding="utf-8"))


def filled(name: str, words: Mapping[str, str]) -> str:
    """Return a file with every word in `/*…*/` replaced by what it stands for here."""
    sql = text(name)
    for word, replacement in words.items():
        sql = sql.replace(f"/*{word}*/", replacement)
    return sql


def quoted(name: str) -> str:
    """Return a plain name as an identifier that keeps its case."""
    return f'"{name}"'

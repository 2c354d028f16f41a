"""The address in a proof and that of a request, in the one form in which they are compared (RFC 3986 section 6.2)."""

from __future__ import annotations

import re
from typing import Final

from coatcheck.core.cross_origin import normal_origin

LONGEST: Final = 4096
"""Characters of an address; servers take no longer ones."""

# Query and fragment do not count (RFC 9449 section 4.3). No repetition can begin where the one before it ends.
_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)")
_PATH: Final = re.compile(r"/[\x21\x24-\x3b\x3d\x3f-\x7e]*")
_ENCODED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def normal_address(text: str) -> str | None:
    """Return an http or https address in its normal form, without query and fragment; None if it is none."""
    match = _ADDRESS.match(text) if len(text) <= LONGEST else None
    if match is None or match[1].lower() not in {"http", "https"}:
        return None
    origin, path = normal_origin(match[1], match[2]), normal_path(match[3] or "/")
    return None if origin is None or path is None else origin + path


def normal_path(path: str) -> str | None:
    """Return a path in its normal form; None if it is none.

    Octets that need no encoding have none, hexadecimal digits are large, and "." and ".." are resolved.
    """
    if not _PATH.fullmatch(path):
        return None
    return _without_dots(_ENCODED.sub(_plainly, path))


def _plainly(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _without_dots(path: str) -> str:
    segments: list[str] = []
    first, *rest = path.split("/")
    for segment in rest:
        if segment == "..":
            del segments[-1:]
        elif segment != ".":
            segments.append(segment)
    if rest[-1] in {".", ".."}:
        segments.append("")
    return "/".join([first, *segments])

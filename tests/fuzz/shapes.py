"""What attackers send: pieces that parsers trip over, put together as the formats have them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_from_bytes

from hypothesis import strategies as st

Lines = list[tuple[bytes, bytes]]

OCTETS = st.binary(max_size=40)
ODD_PIECES = st.sampled_from(
    [b"", b"=", b";", b",", b" ", b"\t", b'"', b"\\", b"\x00", b"\r\n", b"\x85", b"\xa0", b"\xff", b"%00", b"%2e", b"."]
)
WORDS = st.sampled_from(
    [b"__Host-session", b"__host-session", b"__Host-session-b", b"Bearer", b"$Version", b"null", b"-1"]
)
JUNK = st.lists(ODD_PIECES | WORDS | OCTETS, max_size=8).map(b"".join)

ODD_TEXTS = st.sampled_from(["", "\x00", "\ud800", "a\x00b", "é" * 300, "9" * 400, "[]", "null", "\u2028", "../x"])

JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=12)
    | ODD_TEXTS
    | st.sampled_from([10**40, -(2**63), 1e308, 0.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_BROKEN_JSON = st.sampled_from(
    [
        b"[" * 3000,
        b'{"a":' * 3000,
        b"1" * 5000,
        b"NaN",
        b'{"a":1,"a":2}',
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        b"{}" + b" " * 900,
    ]
)


def written(value: Any) -> bytes:
    """Return JSON as attackers write it: half of a surrogate pair is escaped, and so goes through."""
    return json.dumps(value).encode()


JSON_BODIES = st.one_of(JSON_VALUES.map(written), _BROKEN_JSON, JUNK)


def objects(*names: str, known: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with some of these members, each of any kind, or of a known one."""
    value = JSON_VALUES if known is None else known | JSON_VALUES
    return st.dictionaries(st.sampled_from(names), value, max_size=len(names))


def near(good: bytes) -> st.SearchStrategy[bytes]:
    """Return what is nearly a good value, and never the very one."""
    place = st.integers(0, len(good))
    cut = st.tuples(place, place, OCTETS | ODD_PIECES).map(lambda at: good[: min(at[:2])] + at[2] + good[max(at[:2]) :])
    flipped = st.tuples(st.integers(0, len(good) - 1), st.integers(1, 255)).map(
        lambda at: good[: at[0]] + bytes([good[at[0]] ^ at[1]]) + good[at[0] + 1 :]
    )
    spelled = st.sampled_from(
        [
            good + b"=",
            good.swapcase(),
            good * 2,
            good[:-1],
            quote_from_bytes(good).encode() + b"%00",
            good + b".",
            b'"' + good,
        ]
    )
    return (cut | flipped | spelled).filter(lambda value: value != good)


def forms(*names: str, value: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Return forms with these members, percent-encoded or not, once or more often."""
    name = st.sampled_from([each.encode() for each in names]) | JUNK
    written_value = value | value.map(lambda octets: quote_from_bytes(octets).encode())
    pair = st.tuples(name, st.sampled_from([b"=", b"", b"=="]), written_value).map(b"".join)
    return st.lists(pair | JUNK, max_size=5).map(b"&".join)

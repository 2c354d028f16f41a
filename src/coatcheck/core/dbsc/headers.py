"""The headers of Device Bound Session Credentials: strings in quotation marks, and without.

By the draft they are Structured Fields (RFC 9651). Chromium 156 sends `Secure-Session-Response` and
`Sec-Secure-Session-Id` without the quotation marks, so both forms are read. What is longer than it can be is nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.core.jose.jwts import ALGORITHMS, LONGEST

if TYPE_CHECKING:
    from collections.abc import Sequence

REGISTRATION: Final = b"secure-session-registration"
CHALLENGE: Final = b"secure-session-challenge"
RESPONSE: Final = b"secure-session-response"
SESSION_ID: Final = b"sec-secure-session-id"
SKIPPED: Final = b"secure-session-skipped"

_LONGEST_ID: Final = 255
_LONGEST_SKIPPED: Final = 2048
_MOST_SKIPPED: Final = 16

# What needs no escape: neither a quotation mark nor a backslash is in an id or a proof of ours. No repetition stands
# inside another, and none can begin where the one before it ends, so each takes time in proportion to the length.
_PLAIN: Final = r"[\x20\x21\x23-\x5b\x5d-\x7e]*"
_QUOTED: Final = re.compile(rf'"({_PLAIN})"')
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=:-]+")
_NAMED: Final = re.compile(rf'session_identifier="({_PLAIN})"')


class Skipped(NamedTuple):
    """Why a browser sends a request although it could not renew the cookie.

    Attributes:
        reason: "unreachable", "server_error", "quota_exceeded", or what later versions call it.
        session_id: Of which session; None if it does not say.
    """

    reason: str
    session_id: str | None


def can_name(session_id: str) -> bool:
    """Tell whether a session's id can stand in these headers; an adopted table may have others."""
    return _TOKEN.fullmatch(session_id) is not None


def proof_in(lines: Sequence[bytes]) -> str | None:
    """Return the proof in a `Secure-Session-Response`; None when there is none, more than one, or nonsense."""
    return _only(lines, LONGEST)


def session_id_in(lines: Sequence[bytes]) -> str | None:
    """Return the session's id in a `Sec-Secure-Session-Id`; likewise."""
    return _only(lines, _LONGEST_ID)


def _only(lines: Sequence[bytes], longest: int) -> str | None:
    if len(lines) != 1 or len(lines[0]) > longest:
        return None
    text = lines[0].decode("latin-1").strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    value = text if quoted is None else quoted[1]
    return value if _TOKEN.fullmatch(value) else None


def skipped_in(lines: Sequence[bytes]) -> tuple[Skipped, ...]:
    """Return what a `Secure-Session-Skipped` says, however badly: that it is there is what counts.

    Anybody can send it, so it may only make things worse for the sender.
    """
    if sum(map(len, lines)) > _LONGEST_SKIPPED:
        return (Skipped("", None),)
    parts = [part for line in lines for part in line.decode("latin-1").split(",")]
    return tuple(_skip(part) for part in parts[:_MOST_SKIPPED])


def _skip(part: str) -> Skipped:
    reason, *parameters = (each.strip(" \t") for each in part.split(";"))
    named = [match[1] for each in parameters if (match := _NAMED.fullmatch(each)) is not None]
    return Skipped(reason if _TOKEN.fullmatch(reason) else "", named[0] if named else None)


def registration(path: str, challenge: str, authorization: str) -> tuple[bytes, bytes]:
    """Return the header by which a browser is asked to make a key and to register it.

    Args:
        path: Where to.
        challenge: What to sign, in characters of base64url.
        authorization: What it has to send along, in the same.
    """
    text = f'({" ".join(ALGORITHMS)});path="{path}";challenge="{challenge}";authorization="{authorization}"'
    return REGISTRATION, text.encode("ascii")


def challenged(challenge: str, session_id: str) -> tuple[bytes, bytes]:
    """Return the header that brings a challenge; without the id Chromium deletes the session."""
    return CHALLENGE, f'"{challenge}";id="{session_id}"'.encode("ascii")

"""What the log says of sessions that somebody else issued: ask again, or: this has ended.

A copy of such a session is about more than the session and its user: about the token too, of which we may know
nothing else, and perhaps about the session at the identity provider that it belongs to. Each is a tag, a digest,
because the log holds no tokens and no client's words. Two subjects are made of each:

    "ask again"   outdates copies that were read before, like any entry;
    "has ended"   does so too, and refuses what is read later, for as long as the entry is remembered.

The second is needed where we hear of an end before it is true: an OpenID provider sends its logout tokens, waits for
the answers, and only then revokes (`docs/decisions/0012`). What is read in between says "active".

A logout token may name a user and no session: all that they have has ended, and what they begin afterwards has not.
Then the entry has the second in it (`signed_out_subject`), and a session is judged by when it began.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode

from coatcheck.core.coherence import MOMENT

TAG = 18
"""Octets of a tag."""

_WINDOW = 300 * 10**9
"""Nanoseconds: an OpenID provider that tells everybody before it revokes has long done so, however slow they are."""


def token_tag(presented: bytes) -> bytes:
    """Return the tag of what a client presents."""
    return _tag(b"token", presented)


def session_tag(session_id: str) -> bytes:
    """Return the tag of a provider's session, by its id."""
    return _tag(b"session", session_id.encode("utf-8", "surrogatepass"))


def login_tag(issuer: str, sid: str) -> bytes:
    """Return the tag of a user's session at an identity provider: its issuer and `sid` (rule A5)."""
    return _tag(b"login", issuer.encode("utf-8", "surrogatepass"), sid.encode("utf-8", "surrogatepass"))


def ended_subject(tag: bytes) -> str:
    """Return the subject of the entry that says that this has ended."""
    return "e:" + urlsafe_b64encode(tag).decode()


def outdated_subject(tag: bytes) -> str:
    """Return the subject of the entry that says that the provider is to be asked again."""
    return "i:" + urlsafe_b64encode(tag).decode()


def signed_out_name(user_id: str) -> str:
    """Return the name under which it is known when a user was last signed out everywhere."""
    return MOMENT + urlsafe_b64encode(_tag(b"user", user_id.encode("utf-8", "surrogatepass"))).decode()


def signed_out_subject(user_id: str, second: int) -> str:
    """Return the subject of the entry that says that all sessions have ended that a user had begun by a time.

    Args:
        user_id: The user.
        second: The time, in seconds since the epoch.
    """
    return f"{signed_out_name(user_id)}@{second}"


def second_of(micros: int) -> int:
    """Return the second that a time in microseconds lies in: more exactly than that nobody tells when a user went."""
    return micros // 1_000_000


def once_subject(kind: str, identifier: str) -> str:
    """Return the subject by which a message that may count only once is remembered, as long as the log is kept."""
    return "o:" + urlsafe_b64encode(_tag(kind.encode(), identifier.encode("utf-8", "surrogatepass"))).decode()


def doubted_subjects(user_id: str, now: int) -> tuple[str, str]:
    """Return the subjects by which it is remembered for five to ten minutes that a user's sessions are about to end.

    The log says nothing of the time, so they do: the first is that of now, and what was written before has the second.

    Args:
        user_id: The user.
        now: The time in nanoseconds since the epoch, by the store's clock.
    """
    window = now // _WINDOW
    parts = [(user_id.encode("utf-8", "surrogatepass"), str(window - before).encode()) for before in (0, 1)]
    first, second = ("d:" + urlsafe_b64encode(_tag(b"doubted", *each)).decode() for each in parts)
    return first, second


def _tag(kind: bytes, *parts: bytes) -> bytes:
    # Each part behind its length, so that no two lists of parts read the same.
    text = b"".join(len(part).to_bytes(4) + part for part in (kind, *parts))
    return hashlib.sha256(text).digest()[:TAG]

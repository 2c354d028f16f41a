"""What a client of Appwrite presents: the secret of a session, or a JWT that stands for one.

Both are judged by their form only (rule T7). What a JWT says of itself is read without being verified: it names the
session to ask for, which Appwrite shows to nobody else, and it can only end sooner what Appwrite grants.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

CURRENT: Final = "current"
"""What Appwrite calls the session whose secret is presented."""

# base64 of `{"id": …, "secret": …}`, in either alphabet: what Appwrite puts into its cookie, and what its server SDKs
# return as the `secret` of a session.
_SECRET: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,35}")


class Credential(NamedTuple):
    """What is presented, as Appwrite wants to have it.

    Attributes:
        header: The header that carries it.
        value: What stands there.
        session_id: What to call its session.
        ends_at: When it ends by its own account, in UTC; None where it does not say.
    """

    header: str
    value: str
    session_id: str = CURRENT
    ends_at: datetime | None = None

    @property
    def is_jwt(self) -> bool:
        """Whether it is a JWT."""
        return self.session_id != CURRENT


def is_id(text: str) -> bool:
    """Tell whether this can be an id of Appwrite's: up to 36 letters, digits, periods, hyphens and underscores."""
    return _ID.fullmatch(text) is not None


def credential_of(presented: bytes) -> Credential | None:
    """Return what a client presents as what it is, or None if it cannot be anything of Appwrite's.

    Cookies carry it percent-encoded or not, depending on who has set them.
    """
    try:
        text = unquote(presented.decode("ascii"))
    except UnicodeDecodeError:
        return None
    if (match := _JWT.fullmatch(text)) is not None:
        return _jwt(text, match[1])
    return Credential("X-Appwrite-Session", text) if _SECRET.fullmatch(text) else None


def _jwt(text: str, payload: str) -> Credential | None:
    """Return a JWT that names its session, as those of `account.createJWT` do."""
    try:
        claims: Any = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        session_id, end = claims["sessionId"], claims.get("exp")
        ends_at = None if end is None else datetime.fromtimestamp(end, UTC)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, OSError, RecursionError):
        return None
    if not isinstance(session_id, str) or not is_id(session_id) or session_id == CURRENT:
        return None
    return Credential("X-Appwrite-JWT", text, session_id, ends_at)

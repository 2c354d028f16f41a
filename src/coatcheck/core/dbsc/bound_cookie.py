"""The second cookie: it says until when it is good, under a MAC over that and the session it belongs to.

So every worker can judge it from memory, whoever has issued it, and a renewal changes nothing that is cached. It is
worth nothing without the session's own cookie, and nothing for any other session; when the session ends, both do. What
it says after a session's end or after another renewal needs no list: it lives for minutes.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Final

from coatcheck.core.dbsc.keys import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONTEXT: Final = b"device cookie 1"
"""What the keys of the MACs are derived for, by `KeyRing.derived`."""

_LABEL: Final = b"coatcheck device cookie 1"
_VALUE: Final = re.compile(rb"([0-9]{1,12})\.([A-Za-z0-9_-]{43})")
_LONGEST: Final = 56
_MOST: Final = 4


def issued(secret: bytes, session_id: str, end: int) -> str:
    """Return the value of the cookie.

    Args:
        secret: The first of the derived keys.
        session_id: The session it belongs to.
        end: When it ends, in seconds since the epoch.
    """
    return f"{end}.{text_of(_mac(secret, session_id, b'%d' % end))}"


def proves(secrets: Sequence[bytes], values: Iterable[bytes], session_id: str, now: int) -> bool:
    """Tell whether one of these values was issued for this session and has not ended.

    Two of one name prove nothing, and cost nothing: whoever planted the other one has made none that counts.

    Args:
        secrets: The derived keys: the first issues, all verify (rule S3).
        values: What the request carries under the cookie's name.
        session_id: The session.
        now: The time, in seconds since the epoch.
    """
    return any(_proves(secrets, value, session_id, now) for value in list(values)[:_MOST])


def _proves(secrets: Sequence[bytes], value: bytes, session_id: str, now: int) -> bool:
    match = _VALUE.fullmatch(value) if len(value) <= _LONGEST else None
    if match is None or int(match[1]) <= now:
        return False
    given = match[2].decode("ascii")
    # The texts are compared, not what they encode: the last character has two bits to spare.
    return any(hmac.compare_digest(text_of(_mac(secret, session_id, match[1])), given) for secret in secrets)


def _mac(secret: bytes, session_id: str, end: bytes) -> bytes:
    # The id's length keeps it apart from the end behind it.
    name = session_id.encode()
    return hmac.digest(secret, b"".join((_LABEL, len(name).to_bytes(4), name, end)), "sha256")

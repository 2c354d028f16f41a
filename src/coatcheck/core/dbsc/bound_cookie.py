"""The second cookie: it says until when it is good, under a MAC over that and the session it belongs to.

So every worker can judge it from memory, whoever has issued it, and a renewal changes nothing that is cached. It is
worth nothing without the session's own cookie, and nothing for any other session; when the session ends, both do. What
it says after a session's end or after another renewal needs no list: it lives for minutes.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTEXT: Final = b"device cookie 1"
"""What the keys of the MACs are derived for, by `KeyRing.derived`."""

_LABEL: Final = b"coatcheck device cookie 1"
_LONGEST: Final = 80
_MOST: Final = 4


def issued(secret: bytes, session_id: str, end: int) -> str:
    """Return the value of the cookie.

    Args:
        secret: The first of the derived keys.
        session_id: The session it belongs to.
        end: When it ends, in seconds since the epoch.
    """
    return f"{end}.{_mac(secret, session_id, b'%d' % end)}"


def proves(secrets: Sequence[bytes], values: Sequence[bytes], session_id: str, now: int) -> bool:
    """Tell whether one of these values was issued for this session and has not ended.

    Two of one name prove nothing, and cost nothing: whoever planted the other one has made none that counts.

    Args:
        secrets: The derived keys: the first issues, all verify (rule S3).
        values: What the request carries under the cookie's name.
        session_id: The session.
        now: The time, in seconds since the epoch.
    """
    return any(_proves(secrets, value, session_id, now) for value in values[:_MOST])


def _proves(secrets: Sequence[bytes], value: bytes, session_id: str, now: int) -> bool:
    if len(value) > _LONGEST or not value.isascii():
        return False
    end, _, mac = value.partition(b".")
    if not end.isdigit() or int(end) <= now:
        return False
    given = mac.decode("ascii")
    return any(hmac.compare_digest(_mac(secret, session_id, end), given) for secret in secrets)


def _mac(secret: bytes, session_id: str, end: bytes) -> str:
    # The end has digits only, so the id in front of it can end only in one place.
    return hmac.digest(secret, b"%b%b;%b" % (_LABEL, session_id.encode(), end), "sha256").hex()

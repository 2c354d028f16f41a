"""A second proof that a form was ours: a token bound to the session, for those who must verify one in the content.

The header check (`coatcheck.core.cross_origin`) is always on and is enough for browsers. NIST SP 800-63B-4 section 5.1
wants a session identifier in the content of each POST and PUT as well; this is that.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Final

from coatcheck.core.signing import KeyRing
from coatcheck.core.times import to_micros
from coatcheck.errors import FormTokenRejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.core.session import Session

_CONTEXT: Final = b"coatcheck form token 1"
_MASK: Final = 16
# 48 octets: the mask and an HMAC of SHA-256, in base64url without a remainder.
_FORM: Final = re.compile(r"[A-Za-z0-9_-]{64}")


class FormTokens:
    """Makes and verifies tokens that belong to one session (rule X2).

    A token is good for every form of its session until the user authenticates again or the session ends. It says
    nothing about the session or its cookie, and is another text each time, so that what compresses a page does not
    give it away.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[str | bytes], *, deployment: str = "coatcheck") -> None:
        """Derive keys of their own.

        Args:
            keys: The keys of `Sessions` or others, 32 octets or more each: the first makes tokens, all verify.
            deployment: The name that the tokens are bound to.

        Raises:
            ConfigurationError: There is no key, or a bad one (rule S4); the message never contains it.
        """
        self._keys = KeyRing(keys, deployment=deployment).derived(_CONTEXT)

    def issue(self, session: Session) -> str:
        """Return a token for a hidden field or a header of this session: 64 characters of base64url.

        Never put it into a URL or a cookie.
        """
        mask = secrets.token_bytes(_MASK)
        return urlsafe_b64encode(mask + self._proof(self._keys[0], session, mask)).decode("ascii")

    def verify(self, session: Session, submitted: str | None) -> None:
        """Accept what `issue` returned for this session; compared in constant time.

        Raises:
            FormTokenRejected: It is missing, malformed, of another session, or older than the user's last
                authentication. Left alone, it becomes a 403.
        """
        if submitted is None or not _FORM.fullmatch(submitted):
            raise FormTokenRejected
        octets = urlsafe_b64decode(submitted)
        mask, proof = octets[:_MASK], octets[_MASK:]
        if not any(hmac.compare_digest(proof, self._proof(key, session, mask)) for key in self._keys):
            raise FormTokenRejected

    def _proof(self, key: bytes, session: Session, mask: bytes) -> bytes:
        authenticated_at = session.authenticated_at
        moment = 0 if authenticated_at is None else to_micros(authenticated_at)
        # Of fixed lengths but the last, so that no two messages are the same octets.
        return hmac.digest(key, mask + moment.to_bytes(8, "big", signed=True) + session.id.encode(), "sha256")

    def __repr__(self) -> str:
        return "<FormTokens>"

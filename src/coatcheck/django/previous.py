"""Sessions of the engine that a site had before: taken over when they are used, so that nobody is signed out.

A key of Django's is 32 characters of 165 random bits. It stays what the browser has until the next sign-in or change of
key. The token it stands for is derived from it, so the store has no more of it than of any other (rule T5), and a key
that neither engine knows leads nowhere (rule T6).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from coatcheck.core.base64url import text_of
from coatcheck.core.drafts import data_json, new_record
from coatcheck.core.tokens import Token
from coatcheck.django.running import running
from coatcheck.stores.base import NewSession

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck._async.sessions import AsyncSessions
    from coatcheck._sync.sessions import Sessions

_KEY: Final = re.compile(r"[a-z0-9]{32}")
LENGTH: Final = 32
"""Characters of such a key; ours have more."""

_SHORTEST: Final = timedelta(seconds=1)


def is_key(key: str | None) -> bool:
    """Tell whether this can be a key of the engine before, if there was one."""
    return key is not None and len(key) == LENGTH and _KEY.fullmatch(key) is not None and _engine() is not None


def _engine() -> str | None:
    return running.wiring().previous_engine


def store(key: str | None = None) -> Any:
    """Return a session of the engine before."""
    return import_module(_engine() or "").SessionStore(key)


def _bare(key: str) -> str:
    return text_of(sha256(b"coatcheck.django:" + key.encode()).digest())


def token_of(key: str, sessions: Sessions | AsyncSessions) -> Token:
    """Return the token a key stands for: one derived from it, if it is of the engine before; otherwise itself."""
    if not is_key(key):
        return Token(key)
    ring = sessions.tiers.ring(running.wiring().settings.purpose)
    return Token(_bare(key) if ring is None else ring.sign(_bare(key)))


def moved(
    key: str, data: Mapping[str, Any], user_id: str | None, ends: datetime, sessions: Sessions | AsyncSessions
) -> NewSession | None:
    """Return a session as it is to be stored here; None when it has ended.

    When its user has proved who they are, Django has not noted; so a view that needs it recently asks again (rule A1).
    """
    left = ends - datetime.now(UTC)
    if left < _SHORTEST:
        return None
    policy = sessions.policy
    record = new_record(
        user_id,
        int(sessions.now().timestamp() * 1_000_000),
        remember=False,
        idle=left,
        lifetime=None if policy.lifetime is None else max(policy.lifetime, left),
        ip=None,
        user_agent=None,
        data=data_json(data, policy.max_data_bytes),
    )
    return NewSession(sessions.token_hash(_bare(key).encode()), record._replace(authenticated_at=None))

"""What a provider says of a token: whose session it is, until when, and when it must be asked again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from coatcheck.core.addresses import canonical_address
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.authentication import Authentication
from coatcheck.core.drafts import printable
from coatcheck.core.session import Record
from coatcheck.core.times import to_micros
from coatcheck.core.users import user_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from coatcheck.core.users import User

_LONGEST_ID = 255


class ProviderAnswer(NamedTuple):
    """What a provider has said of a token.

    Attributes:
        identity: The session with its user, or why nobody is signed in.
        valid_for: For how long the provider itself admits this answer to be kept, if it says so.
        tags: Further names by which somebody may say that it has ended (`coatcheck.core.endings`), besides the
            token's and the session's id.
        set_cookies: Values of Set-Cookie that the provider has for the client (RFC 6265 section 4.1).
    """

    identity: Record | NotSignedIn
    valid_for: timedelta | None = None
    tags: tuple[bytes, ...] = ()
    set_cookies: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        """Show no cookie: it is somebody's token (rule T9)."""
        record = self.identity
        return f"<ProviderAnswer {record if isinstance(record, NotSignedIn) else record.id}>"


class Nonsense(ValueError):
    """A provider's answer is not what it should be; the message names what, and never what was in it."""


def identity(
    session_id: str,
    user: User | None,
    *,
    created_at: datetime,
    ends_at: datetime,
    authenticated_at: datetime | None = None,
    last_seen_at: datetime | None = None,
    ip: str | None = None,
    user_agent: str | None = None,
    data: Mapping[str, Any] | None = None,
    actor: str | None = None,
) -> Record:
    """Return a provider's session as a record. All times are aware datetimes.

    Args:
        session_id: Its public id.
        user: Who is signed in; None if the token stands for nobody.
        created_at: When it began.
        ends_at: When it ends.
        authenticated_at: When the user proved who they are, as far as that is known.
        last_seen_at: When it was last used, as far as that is known.
        ip: The client's address.
        user_agent: The browser's description of itself.
        data: What else the provider says of the session, unchecked.
        actor: Who acts as the user, if it is somebody else. Whatever they have proved, the user has not.

    Raises:
        Nonsense: An id is none.
    """
    ids = (session_id, None if user is None else user.id, actor)
    if not all(_is_id(each) for each in ids if each is not None):
        msg = f"the id of a session, user or actor is empty, longer than {_LONGEST_ID} bytes, or no text"
        raise Nonsense(msg)
    return Record(
        id=session_id,
        user_id=None if user is None else user.id,
        created_at=to_micros(created_at),
        authenticated_at=None if authenticated_at is None or actor is not None else to_micros(authenticated_at),
        last_seen_at=to_micros(last_seen_at or created_at),
        idle_expires_at=to_micros(ends_at),
        expires_at=to_micros(ends_at),
        idle_timeout=0,
        remember=False,
        ip=canonical_address(ip) if ip else None,
        user_agent=printable(user_agent),
        data=json.dumps(dict(data or {}), separators=(",", ":")),
        authentication=Authentication(actor=actor).text(),
        user=user_json(user),
    )


def _is_id(text: str) -> bool:
    try:
        return 0 < len(text.encode()) <= _LONGEST_ID
    except UnicodeEncodeError:  # half of a surrogate pair
        return False

"""What a session says of who is signed in, as header values and as claims: pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from coatcheck.core.session import Session
    from coatcheck.web.types import Headers

LONGEST_VALUE: Final = 1024
"""Octets of one header's value: proxies have a few thousand for all of them, and more than that is an error there."""

NO_SCOPES: Final = b'""'
"""What is told of a program's token that may be used for nothing in particular, or for more than a header can say: an
empty value is that of a session, whose user may do everything. No scope has a quotation mark (RFC 6749 section 3.3)."""

# All printable ASCII but "%", by which the rest is encoded.
_PLAIN: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_EDGES: Final = re.compile(r"^ +| +$")


class IdentityHeaders:
    """The identity headers: all of them in every answer, so that what a client has forged is always overwritten."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """Take the fields, each with the name of its header."""
        self._names = [(header.lower().encode("ascii"), name) for name, header in names.items()]
        self.nobody: Headers = [(header, b"") for header, _ in self._names]
        """The headers when nobody is signed in: all of them, empty."""

    def of(self, session: Session, scopes: Sequence[str] | None = None) -> Headers:
        """Return the headers for who is signed in.

        Args:
            session: The session, or the row of a program's token.
            scopes: What the token may be used for; None for a session, which is not told to have any.
        """
        return [(header, _value(name, session, scopes)) for header, name in self._names]


def _value(name: str, session: Session, scopes: Sequence[str] | None) -> bytes:
    if name == "scopes":
        return b"" if scopes is None else header_value(" ".join(scopes)) or NO_SCOPES
    if name == "actor":  # it has bounds of its own, and without it somebody else would be the user
        return header_value(session.actor_id, longest=None)
    if name == "authenticated" and not _proves_the_user(session, scopes):
        return b""
    return header_value(_FIELDS[name](session))


def _proves_the_user(session: Session, scopes: Sequence[str] | None) -> bool:
    """Tell whether the user has proved who they are: a program's token and somebody who acts as them do not."""
    return scopes is None and session.actor_id is None


def header_value(text: str | None, *, longest: int | None = LONGEST_VALUE) -> bytes:
    """Return a text as a header can carry it: printable ASCII as it is, all else percent-encoded UTF-8 (RFC 3986).

    A "%" and spaces at either end are encoded too, so that `decodeURIComponent` and its like return the very text, and
    two texts never have the same value. Nothing at all is said of a text that would be longer than `longest`.
    """
    if not text:
        return b""
    encoded = quote(text, safe=_PLAIN, errors="surrogatepass")
    value = _EDGES.sub(lambda edge: "%20" * len(edge[0]), encoded).encode("ascii")
    return value if longest is None or len(value) <= longest else b""


def claims_of(session: Session, scopes: Sequence[str] | None = None) -> dict[str, Any]:
    """Return what an identity token says of a session: registered claims, and those of OpenID Connect Core section 5.1.

    Of `sid` it is the public id, which is no credential (rule T10). Of a program's token it is told what the token may
    be used for (RFC 9068 section 2.2.3), and of somebody who acts as the user who it is (RFC 8693 section 4.1); of both
    not when anybody has proved who they are.
    """
    user, actor = session.user, session.actor_id
    moment = session.authenticated_at if _proves_the_user(session, scopes) else None
    known = {
        "scope": None if scopes is None else " ".join(scopes),
        "sub": session.user_id,
        "sid": session.id,
        "act": None if actor is None else {"sub": actor},
        "auth_time": None if moment is None else int(moment.timestamp()),
        "name": user.name if user else None,
        "email": user.email if user else None,
        "email_verified": user.email_verified if user else None,
        "role": user.role if user else None,
    }
    return {name: value for name, value in known.items() if value is not None}


def _of_user(name: str) -> Callable[[Session], str | None]:
    def read(session: Session) -> str | None:
        user = session.user
        return None if user is None else getattr(user, name)

    return read


def _email_verified(session: Session) -> str | None:
    verified = session.user.email_verified if session.user else None
    return None if verified is None else str(verified).lower()


def _labels(session: Session) -> str | None:
    labels = session.user.labels if session.user else ()
    return ",".join(label.replace(",", " ") for label in labels)


def _authenticated(session: Session) -> str | None:
    moment = session.authenticated_at
    return None if moment is None else str(int(moment.timestamp()))


def _expires(session: Session) -> str | None:
    return str(int(session.ends_at.timestamp()))


_FIELDS: Final[Mapping[str, Callable[[Session], str | None]]] = {
    "user": lambda session: session.user_id,
    "session": lambda session: session.id,
    "email": _of_user("email"),
    "email_verified": _email_verified,
    "name": _of_user("name"),
    "role": _of_user("role"),
    "labels": _labels,
    "authenticated": _authenticated,
    "expires": _expires,
}

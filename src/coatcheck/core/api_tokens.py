"""API tokens: what programs present, in a form that scanners know, and what is known of whoever presents one."""

from __future__ import annotations

import json
import re
from binascii import crc32
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.refusals import refuse
from coatcheck.core.session import Session, raw_data_in
from coatcheck.core.tokens import Token, new_token
from coatcheck.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime, timedelta

    from coatcheck.core.users import User

API: Final = "api"
"""The kind of row that an API token is."""
GRANT: Final = "grant"
"""The kind of row that stands behind a refresh token, and the access tokens that came with it."""

MOST_SCOPES: Final = 64
LONGEST_NAME: Final = 100
_PREFIX: Final = re.compile(r"[a-z][a-z0-9]{1,15}(?:_[a-z0-9]{1,15})?")
# RFC 6749 section 3.3, and no longer than a person would read.
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")
_SECRET: Final = 43
_CHECK: Final = 8


class TokenForm:
    """How a secret is dressed for programs: `prefix_secretchecksum`.

    The prefix lets a scanner find a token that has leaked, and tells people what they look at. The checksum is the
    CRC-32 of all before it, in hexadecimal digits: a scanner reports no text that only looks like a token, and a
    mistyped token is refused without a look into the store. Neither is any part of the 32 random bytes (rule T1).
    """

    __slots__ = ("_begin", "_length")

    def __init__(self, prefix: str, *, setting: str = "prefix") -> None:
        """Keep the prefix.

        Args:
            prefix: The prefix, such as "acme" or "acme_ci".
            setting: What it is called where it is set.

        Raises:
            ConfigurationError: The prefix is no short lower-case word.
        """
        if not _PREFIX.fullmatch(prefix):
            refuse(setting, prefix, "use 2 to 16 lower-case letters and digits, such as 'acme'")
        self._begin = f"{prefix}_".encode("ascii")
        self._length = len(self._begin) + _SECRET + _CHECK

    def dressed(self, secret: Token) -> Token:
        """Return what the client gets."""
        body = self._begin + secret.reveal().encode("ascii")
        return Token(body.decode("ascii") + f"{crc32(body):08x}")

    def claimed_by(self, presented: bytes) -> bool:
        """Tell whether a value has the prefix, and not a longer one that begins alike, such as "acme_ci"."""
        return presented.startswith(self._begin) and b"_" not in presented[len(self._begin) :]

    def secret_in(self, presented: bytes) -> bytes | NotSignedIn:
        """Return the secret of a token, once prefix, length and checksum are right."""
        if len(presented) != self._length or not presented.startswith(self._begin):
            return NotSignedIn.MALFORMED if presented else NotSignedIn.NO_TOKEN
        body = presented[:-_CHECK]
        if presented[-_CHECK:] != b"%08x" % crc32(body):
            return NotSignedIn.MALFORMED
        return body[len(self._begin) :]


def new_secret() -> Token:
    """Make a secret of letters and digits only, which a double click selects: more than 253 random bits (rule T1)."""
    while not (secret := new_token()).reveal().isalnum():
        pass
    return secret


class ApiToken:
    """An API token as it was read, or an access token: who presents it and what they may do; never the secret.

    All times are aware datetimes in UTC.

    Attributes:
        kind: "api" for an API token; "access" for a short-lived one that came with a refresh token, and for the grant
            behind both where grants are listed.
    """

    __slots__ = ("_session", "kind")

    def __init__(self, session: Session, kind: Literal["api", "access"] = "api") -> None:
        """View a row; applications get tokens from `ApiTokens` and `TokenPairs`, they do not make them."""
        self._session = session
        self.kind = kind

    if TYPE_CHECKING:  # at run time it is true as any object is

        def __bool__(self) -> Literal[True]: ...

    @property
    def id(self) -> str:
        """The public id: safe to list and to log, and no credential (rule T10)."""
        return self._session.id

    @property
    def user_id(self) -> str:
        """Whose token it is."""
        return self._session.user_id or ""

    @property
    def user(self) -> User | None:
        """The user, when a users table or a loader tells of them; never frozen into the token (rule L18)."""
        return self._session.user

    @property
    def name(self) -> str:
        """What its owner calls it; of a grant, the application that has it."""
        return _said_in(raw_data_in(self._session))[0]

    @property
    def scopes(self) -> tuple[str, ...]:
        """What it may be used for, in alphabetical order."""
        return _said_in(raw_data_in(self._session))[1]

    def allows(self, *scopes: str) -> bool:
        """Tell whether it has all of these scopes."""
        allowed = self.scopes
        return all(scope in allowed for scope in scopes)

    @property
    def created_at(self) -> datetime:
        """When it was made."""
        return self._session.created_at

    @property
    def last_used_at(self) -> datetime | None:
        """When it was last used, at most `touch_every` behind; None if it never was."""
        seen = self._session.last_seen_at
        return None if seen == self._session.created_at else seen

    @property
    def expires_at(self) -> datetime:
        """When it ends, whatever happens."""
        return self._session.ends_at

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ApiToken):
            return NotImplemented
        return (self.kind, self._session) == (other.kind, other._session)

    def __hash__(self) -> int:
        return hash((self.kind, self._session))

    def __repr__(self) -> str:
        return f"<ApiToken {self.id} kind={self.kind!r} user={self.user_id!r}>"


@lru_cache(maxsize=4096)
def _said_in(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the name and the scopes in a row's data: the same few, over and over, so they are not read each time."""
    said: dict[str, Any] = json.loads(data or b"{}")
    return str(said.get("name", "")), tuple(said.get("scopes", ()))


def session_behind(token: ApiToken) -> Session:
    """Return a token's row as sessions are read: for what speaks of both."""
    return token._session  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


class NewApiToken(NamedTuple):
    """A new API token.

    Attributes:
        api_token: What is known of it from now on.
        token: What its owner is shown, once; `token.reveal()` is the only way to its text.
    """

    api_token: ApiToken
    token: Token


class TokenPair(NamedTuple):
    """What somebody gets who has been granted access, and again at each refresh.

    Attributes:
        access: What is presented to the API, for `expires_in`.
        refresh: What gets the next pair, once.
        expires_in: How long the access token is good.
        grant: What is known of the grant.
    """

    access: Token
    refresh: Token
    expires_in: timedelta
    grant: ApiToken


def token_data(name: str, scopes: Collection[str], known: Collection[str] | None) -> Mapping[str, Any]:
    """Return what a row keeps of a token.

    Args:
        name: What its owner calls it.
        scopes: What it is for.
        known: All scopes there are; None for any.

    Raises:
        DataError: The name is empty, long or not printable; or a scope is none of RFC 6749 section 3.3, or not known.
    """
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or not name.strip():
        msg = f"name={name[:LONGEST_NAME]!r} is not possible: use 1 to {LONGEST_NAME} printable characters"
        raise DataError(msg)
    return {"name": name, "scopes": checked_scopes(scopes, known)}


def is_scope(text: str) -> bool:
    """Tell whether a text can be a scope (RFC 6749 section 3.3)."""
    return _SCOPE.fullmatch(text) is not None


def checked_scopes(scopes: Collection[str], known: Collection[str] | None = None) -> list[str]:
    """Return scopes in alphabetical order, each once.

    Raises:
        DataError: One is none of RFC 6749 section 3.3 or not known, or they are too many.
    """
    if isinstance(scopes, str):
        msg = f"scopes={scopes!r} is not possible: use a list, such as ['invoices:read']"
        raise DataError(msg)
    for scope in scopes:
        if not is_scope(scope):
            msg = f"scope {scope!r} is not possible: use printable ASCII without spaces, quotes and backslashes"
            raise DataError(msg)
        if known is not None and scope not in known:
            msg = f"scope {scope!r} is not known; there are {', '.join(sorted(known))}"
            raise DataError(msg)
    if len(scopes) > MOST_SCOPES:
        msg = f"{len(scopes)} scopes are not possible: use at most {MOST_SCOPES}"
        raise DataError(msg)
    return sorted(set(scopes))

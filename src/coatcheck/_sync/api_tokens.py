# Generated from _async/api_tokens.py by tools/generate_sync.py: edit that, run `make generate`.
"""API tokens: named, scoped, shown once, listed, and ended everywhere at once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from coatcheck._sync.kindred import Kindred
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.api_tokens import API, ApiToken, NewApiToken, TokenForm, checked_scopes, new_secret, token_data
from coatcheck.core.credentials import presented_bytes
from coatcheck.core.policy import LONGEST, Policy, SessionLimit
from coatcheck.core.refusals import refuse
from coatcheck.errors import DataError, LimitReached

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from coatcheck._sync.sessions import Sessions
    from coatcheck.core.tokens import Token

_SHORTEST = timedelta(seconds=1)


class ApiTokens:
    """The API tokens of an application, in the store of its sessions (requirement B9).

    They are validated from memory by the same rule and ended by the same log: `revoke_user` and `revoke_everyone` of
    the sessions end them too, and so does the deletion of their user. No session's token is an API token, and no API
    token is a session's (rules J2, C12).
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        prefix: str = "cct",
        scopes: Collection[str] | None = None,
        lifetime: timedelta = timedelta(days=90),
        longest: timedelta = timedelta(days=366),
        max_tokens: int | Callable[[str], SessionLimit] | None = 50,
        touch_every: timedelta = timedelta(minutes=5),
    ) -> None:
        """Wire the tokens to a store.

        Args:
            sessions: Whose store, log and users they share.
            prefix: What every token begins with, and secret scanners look for: your product's name.
            scopes: All scopes there are; None allows any.
            lifetime: How long a token lives if nobody says otherwise.
            longest: How long a token may live, up to ten years. Every token ends.
            max_tokens: How many a user may have: a number, a function of the user's id, or None. One more is refused:
                ending the oldest would break a program somewhere.
            touch_every: How exactly it is known when a token was last used.

        Raises:
            ConfigurationError: A setting is out of bounds, or the store cannot tell API tokens from sessions, as KV.
        """
        if not _SHORTEST <= longest <= LONGEST:
            refuse("longest", longest, "use one second to ten years", of="API tokens:")
        if not _SHORTEST <= lifetime <= longest:
            refuse("lifetime", lifetime, "use one second to longest=", of="API tokens:")
        self.form = TokenForm(prefix)
        self.known_scopes = None if scopes is None else frozenset(checked_scopes(scopes))
        self.lifetime = lifetime
        self.longest = longest
        policy = Policy(
            idle_timeout=LONGEST,
            lifetime=LONGEST,
            remember_idle_timeout=LONGEST,
            touch_every=touch_every,
            max_sessions=max_tokens,
            when_full="refuse",
        )
        self._rows = Kindred(sessions, kind=API, policy=policy)

    # --- validating

    def lookup(self, token: str | bytes | Token) -> ApiToken | None:
        """Answer from memory, at once; None says nothing: ask `get`."""
        secret = self.form.secret_in(presented_bytes(token))
        session = self._rows.lookup(secret) if isinstance(secret, bytes) else None
        return None if session is None else ApiToken(session)

    def get(self, token: str | bytes | Token | None) -> ApiToken | NotSignedIn:
        """Validate a token, as `Sessions.get` does a session's.

        Returns:
            The token's row, or why there is none: NO_TOKEN, MALFORMED (not asked of the store), UNKNOWN, EXPIRED.

        Raises:
            Unavailable: Nobody can tell: the store did not answer.
        """
        secret = self.form.secret_in(presented_bytes(token))
        if isinstance(secret, NotSignedIn):
            return secret
        kept = self._rows.lookup(secret)  # one call less than asking for it
        if kept is not None:
            return ApiToken(kept)
        session = self._rows.get(secret)
        return session if isinstance(session, NotSignedIn) else ApiToken(session)

    def claims(self, token: str | bytes | Token) -> bool:
        """Tell whether a value says that it is one of these, by its prefix."""
        return self.form.claimed_by(presented_bytes(token))

    # --- making, listing, ending

    def create(
        self,
        user_id: str,
        *,
        name: str,
        scopes: Collection[str] = (),
        lifetime: timedelta | None = None,
        expires_at: datetime | None = None,
        connection: Any = None,
    ) -> NewApiToken:
        """Make a token. Its text is shown to its owner now, and never again: the store has a hash only (rule T5).

        Args:
            user_id: Whose it is.
            name: What its owner calls it, 1 to 100 printable characters.
            scopes: What it may be used for.
            lifetime: How long it lives; None for the default.
            expires_at: Instead of a lifetime, when it ends; aware.
            connection: The caller's own connection, inside a transaction.

        Raises:
            DataError: The name, a scope or the end is not possible, or there is no such user.
            LimitReached: The user has as many as they may.
            Unavailable: The store did not answer.
        """
        lives = self._lifetime(lifetime, expires_at)
        secret = new_secret()
        data = token_data(name, scopes, self.known_scopes)
        try:
            created = self._rows.create(
                user_id, data=data, idle_timeout=lives, lifetime=lives, token=secret, connection=connection
            )
        except LimitReached as full:
            raise LimitReached(full.limit, what="API tokens") from None
        return NewApiToken(ApiToken(created.session), self.form.dressed(secret))

    def _lifetime(self, lifetime: timedelta | None, expires_at: datetime | None) -> timedelta:
        if expires_at is not None:
            if lifetime is not None or expires_at.tzinfo is None:
                msg = f"expires_at={expires_at!s} is not possible: give it a time zone, and no lifetime beside it"
                raise DataError(msg)
            lifetime = expires_at - self._rows.now()
        lives = self.lifetime if lifetime is None else lifetime
        if not _SHORTEST <= lives <= self.longest:
            msg = f"a lifetime of {lives!s} is not possible: use one second to {self.longest!s}"
            raise DataError(msg)
        return lives

    def list(self, user_id: str, *, limit: int = 100) -> Sequence[ApiToken]:
        """List a user's live tokens, newest first; never their text."""
        return [ApiToken(session) for session in self._rows.list(user_id, limit=limit)]

    def revoke(self, token: str | bytes | Token, *, wait: bool = False, connection: Any = None) -> bool:
        """End a token that somebody has, such as one that was found in public; returns whether there was one."""
        secret = self.form.secret_in(presented_bytes(token))
        return isinstance(secret, bytes) and self._rows.revoke(secret, wait=wait, connection=connection)

    def revoke_by_id(self, token_id: str, *, user_id: str | None, wait: bool = False, connection: Any = None) -> bool:
        """End a token by its public id, if it belongs to the user (rule L14); returns whether it did.

        Args:
            token_id: The public id.
            user_id: Its owner.
            wait: Whether to return only when nobody can accept it any more.
            connection: The caller's own connection.
        """
        return self._rows.revoke_by_id(token_id, user_id=user_id, wait=wait, connection=connection)

    def revoke_user(self, user_id: str, *, wait: bool = False, connection: Any = None) -> int:
        """End all API tokens of a user, and none of their sessions; returns how many.

        `revoke_user` of the sessions ends both. `revoke_others` of the sessions ends no API token.
        """
        return self._rows.revoke_user(user_id, wait=wait, connection=connection)

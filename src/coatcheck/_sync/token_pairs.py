# Generated from _async/token_pairs.py by tools/generate_sync.py: edit that, run `make generate`.
"""Token pairs: a short-lived access token, and a refresh token that is exchanged at each use."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from coatcheck._sync.access_tokens import AccessTokens
from coatcheck._sync.kindred import Kindred
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.api_tokens import GRANT, ApiToken, TokenForm, TokenPair, checked_scopes, new_secret, token_data
from coatcheck.core.credentials import presented_bytes
from coatcheck.core.policy import Policy, SessionLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from coatcheck._sync.sessions import Sessions
    from coatcheck.core.tokens import Token


class TokenPairs:
    """Access for applications that act for a user, as RFC 9700 section 4.14 wants refresh tokens to be (rule J4).

    One grant stands behind all tokens that come of it, its family. Each use of the refresh token retires it. Two who
    use it at once, or within the grace, get the same successor. Whoever uses it later proves that two have had it: the
    whole grant ends, with every access token (rule L17). Refreshing never moves the grant's end.
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        prefix: str = "cc",
        scopes: Collection[str] | None = None,
        access_lifetime: timedelta = timedelta(minutes=10),
        idle_timeout: timedelta = timedelta(days=14),
        lifetime: timedelta = timedelta(days=90),
        grace: timedelta = timedelta(seconds=10),
        max_grants: int | Callable[[str], SessionLimit] | None = 50,
    ) -> None:
        """Wire the pairs to a store.

        Args:
            sessions: Whose store, log, keys and users they share; they need `keys`.
            prefix: What every token begins with: "a" behind it is an access token, "r" a refresh token.
            scopes: All scopes there are; None allows any.
            access_lifetime: How long an access token is good, up to an hour.
            idle_timeout: After how long without a refresh a grant ends.
            lifetime: How long after it was granted it ends, whatever happens (ASVS 10.4.8).
            grace: For how long a refresh token that was used leads to the same successor; one second to ten minutes.
            max_grants: How many grants a user may have: a number, a function of the user's id, or None. The oldest
                make room.

        Raises:
            ConfigurationError: A setting is out of bounds, keys are missing, or the store cannot retire tokens, as KV.
        """
        self.known_scopes = None if scopes is None else frozenset(checked_scopes(scopes))
        self.access_lifetime = access_lifetime
        self._form = TokenForm(f"{prefix}r")
        policy = Policy(
            idle_timeout=idle_timeout,
            lifetime=lifetime,
            touch_every=min(timedelta(minutes=5), idle_timeout / 2),
            max_sessions=max_grants,
            rotate_after=2 * grace,  # nobody asks when it is due: a refresh token is exchanged whenever it is used
            rotation_grace=grace,
        )
        self._grants = Kindred(sessions, kind=GRANT, policy=policy)
        self._access = AccessTokens(self._grants, prefix=f"{prefix}a", lifetime=access_lifetime)

    # --- granting

    def issue(self, user_id: str, *, name: str, scopes: Collection[str] = (), connection: Any = None) -> TokenPair:
        """Grant access: the first pair.

        Args:
            user_id: For whom the application acts.
            name: What it is called, 1 to 100 printable characters.
            scopes: What it may do.
            connection: The caller's own connection, inside a transaction.

        Raises:
            DataError: The name or a scope is not possible, or there is no such user.
            Unavailable: The store did not answer.
        """
        secret = new_secret()
        data = token_data(name, scopes, self.known_scopes)
        created = self._grants.create(user_id, data=data, token=secret, connection=connection)
        return self._pair(ApiToken(created.session, "access"), secret)

    def refresh(self, token: str | bytes | Token | None) -> TokenPair | NotSignedIn:
        """Exchange a refresh token for the next pair (RFC 6749 section 6).

        Returns:
            The pair, or why there is none. UNKNOWN is also what a retired token is whose successor has been used, and
            what ends the grant when its grace is over (rule L17).

        Raises:
            Unavailable: Nobody can tell: the store did not answer.
        """
        secret = self._form.secret_in(presented_bytes(token))
        if isinstance(secret, NotSignedIn):
            return secret
        renewed = self._grants.renew_token(secret)
        if isinstance(renewed, NotSignedIn):
            # It may be retired, and then its use has to be acted upon.
            answer = self._grants.get(secret)
            return answer if isinstance(answer, NotSignedIn) else NotSignedIn.UNKNOWN
        self._grants.note_use(renewed.session)
        return self._pair(ApiToken(renewed.session, "access"), renewed.token)

    def _pair(self, grant: ApiToken, secret: Token) -> TokenPair:
        return TokenPair(self._access.issued(grant.id), self._form.dressed(secret), self.access_lifetime, grant)

    # --- validating

    def lookup(self, token: str | bytes | Token) -> ApiToken | None:
        """Answer from memory, at once; None says nothing: ask `get`."""
        session = self._access.lookup(presented_bytes(token))
        return None if session is None else ApiToken(session, "access")

    def get(self, token: str | bytes | Token | None) -> ApiToken | NotSignedIn:
        """Validate an access token; a refresh token is none (rule J2).

        Returns:
            The grant as of this token, whose end is the token's; or why there is none.

        Raises:
            Unavailable: Nobody can tell: the store did not answer.
        """
        session = self._access.get(presented_bytes(token))
        return session if isinstance(session, NotSignedIn) else ApiToken(session, "access")

    def claims(self, token: str | bytes | Token) -> bool:
        """Tell whether a value says that it is one of these access tokens, by its prefix."""
        return self._access.claimed_by(presented_bytes(token))

    # --- listing, ending

    def list(self, user_id: str, *, limit: int = 100) -> Sequence[ApiToken]:
        """List a user's live grants, newest first; `expires_at` is when the grant ends."""
        return [ApiToken(session, "access") for session in self._grants.list(user_id, limit=limit)]

    def revoke(self, token: str | bytes | Token, *, wait: bool = False, connection: Any = None) -> bool:
        """End the grant behind an access or a refresh token (RFC 7009 section 2.1); returns whether there was one.

        An access token that is over ends nothing: it may stand in any old log.
        """
        presented = presented_bytes(token)
        secret = self._form.secret_in(presented)
        if isinstance(secret, bytes):
            return self._grants.revoke(secret, wait=wait, connection=connection)
        named = self._access.named(presented)
        if isinstance(named, NotSignedIn):
            return False
        return self._grants.revoke_any(named[0], wait=wait, connection=connection)

    def revoke_by_id(self, grant_id: str, *, user_id: str | None, wait: bool = False, connection: Any = None) -> bool:
        """End a grant by its public id, if it belongs to the user (rule L14); returns whether it did.

        Args:
            grant_id: The public id.
            user_id: Its owner.
            wait: Whether to return only when nobody can accept its tokens any more.
            connection: The caller's own connection.
        """
        return self._grants.revoke_by_id(grant_id, user_id=user_id, wait=wait, connection=connection)

    def revoke_user(self, user_id: str, *, wait: bool = False, connection: Any = None) -> int:
        """End all grants of a user, and none of their sessions; `revoke_user` of the sessions ends both."""
        return self._grants.revoke_user(user_id, wait=wait, connection=connection)

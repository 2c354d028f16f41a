"""Better Auth as a provider, from its database, for asyncio. The one for threads is generated from it.

The signature of the cookie is checked here; then one query has session and user together. Better Auth itself is not
asked and need not run.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.identities import Nonsense, ProviderAnswer
from coatcheck.core.refusals import refuse, refuse_secret
from coatcheck.errors import ConfigurationError, DataError, SchemaError, Unavailable
from coatcheck.providers.better_auth.answers import record_of
from coatcheck.providers.better_auth.async_access import async_access
from coatcheck.providers.better_auth.deletions import deletions
from coatcheck.providers.better_auth.places import place_of
from coatcheck.providers.better_auth.settings import Tokens
from coatcheck.providers.better_auth.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from coatcheck.providers.better_auth.async_access import AsyncAccess

_log = logging.getLogger("coatcheck")

_REVALIDATE_AFTER: Final = timedelta(minutes=5)


class AsyncBetterAuthTables:
    """Better Auth's sessions, read from its own tables, wherever they are."""

    name = "better-auth-database"
    marks_bearer = True
    revalidate_after = _REVALIDATE_AFTER

    def __init__(
        self,
        access: AsyncAccess,
        *,
        shown: str,
        secrets: Sequence[str],
        cookie_prefix: str,
        secure_cookies: bool | None,
        cookie_domain: str | None,
        bearer: bool,
    ) -> None:
        """Keep how the tables are reached, and what may be shown of that. The rest is said by those who inherit this.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        if not secrets:
            fix = "give Better Auth's BETTER_AUTH_SECRET: without it nobody here knows which cookies it has signed"
            refuse_secret("secrets", "are missing", fix)
        self._tokens = Tokens(
            cookie_prefix=cookie_prefix, secure_cookies=secure_cookies, bearer=bearer, secrets=secrets
        )
        self.bearer = bearer
        self.cookies = self._tokens.cookies
        self.conditions = f"{shown} {' '.join(self.cookies)} bearer={bearer}"
        self._deletions = deletions(self.cookies, domain=cookie_domain)
        self._tables = access
        self.available = True

    def forked(self) -> None:
        """Do nothing: the connections know by themselves that they are the parent's."""

    def well_formed(self, presented: bytes) -> bool:
        """Tell whether one of the secrets has signed this; a bearer token may have no signature."""
        return self._token(presented) is not None

    def _token(self, presented: bytes) -> str | None:
        parts = self._tokens.parts(presented)
        return None if parts is None else parts.token.decode("ascii")

    async def open(self) -> None:
        """Look at the tables, if the database answers.

        Raises:
            ConfigurationError: A table or a column is missing, or the user of the url may not read it.
        """
        try:
            await self._tables.open()
        except Unavailable as error:
            self._fails(str(error))
        except ConfigurationError as error:
            await self._tables.aclose()
            raise ConfigurationError(_said(error)) from None
        except BaseException:
            await self._tables.aclose()
            raise

    async def aclose(self) -> None:
        """Close every connection this process has made."""
        await self._tables.aclose()

    async def identify(self, presented: bytes) -> ProviderAnswer:
        """Say whose session a token is: with one query, and with none if its signature is wrong.

        Raises:
            Unavailable: The database did not answer, or what it has is no session.
        """
        token = self._token(presented)
        if token is None:
            return ProviderAnswer(NotSignedIn.MALFORMED)
        with self._watched():
            found = await self._tables.read(token)
            if found is None:
                return ProviderAnswer(NotSignedIn.UNKNOWN)
            return ProviderAnswer(record_of(*found))

    async def sign_out(self, presented: bytes) -> tuple[bytes, ...]:
        """Delete the session of a token.

        Returns:
            Values of Set-Cookie that delete Better Auth's cookies.

        Raises:
            Unavailable: The database did not answer, or the user of the url may not delete sessions.
        """
        token = self._token(presented)
        if token is not None:
            with self._watched():
                await self._tables.sign_out(token)
        return self._deletions

    @contextmanager
    def _watched(self) -> Generator[None]:
        """Note whether the database answers, and raise as a provider does."""
        try:
            yield
        except Unavailable as error:
            self._fails(str(error))
            raise
        except (ConfigurationError, SchemaError, DataError, Nonsense) as error:
            # The tables, or what this user may do, are not what they were; that says nothing about who is signed in.
            self._fails(_said(error))
            msg = f"Better Auth's tables cannot be used: {_said(error)}"
            raise Unavailable(msg) from None
        else:
            if not self.available:
                _log.info("coatcheck.provider_available", extra={"provider": self.name})
            self.available = True

    def _fails(self, reason: str) -> None:
        if self.available:
            _log.warning("coatcheck.provider_unavailable", extra={"provider": self.name, "reason": reason})
        self.available = False


class AsyncBetterAuthDatabase(AsyncBetterAuthTables):
    """Better Auth's sessions, read from its own tables.

    Faster than to ask Better Auth over HTTP, and independent of whether it runs; but it never extends a session: that
    is what Better Auth's own `get-session` does. With the triggers of `AsyncBetterAuthTriggers`, what Better Auth ends
    is refused by every worker as fast as what ends here.
    """

    def __init__(
        self,
        url: str,
        *,
        secrets: Sequence[str],
        cookie_prefix: str = "better-auth",
        secure_cookies: bool | None = None,
        cookie_domain: str | None = None,
        bearer: bool = False,
        session_table: str = "session",
        user_table: str = "user",
        schema: str = "public",
        columns: Mapping[str, str] | None = None,
        timeout: timedelta = timedelta(seconds=3),
        pool_size: int = 8,
        prepared_statements: bool = True,
    ) -> None:
        """Name the database; nothing is connected yet.

        Args:
            url: Better Auth's database, as `postgresql://user:password@host/database` or `sqlite:///auth.db`. The user
                needs SELECT on both tables, and DELETE on that of the sessions where `sign_out` is called.
            secrets: Better Auth's secrets; each is accepted.
            cookie_prefix: What the names of its cookies begin with, as its `advanced.cookiePrefix`.
            secure_cookies: Whether their names begin with `__Secure-`; None for both, that with it first.
            cookie_domain: The domain of its cookies, where it sets them for subdomains too.
            bearer: Whether bearer tokens are read, as its bearer plugin takes them: without a signature too.
            session_table: What its table of sessions is called.
            user_table: What its table of users is called.
            schema: The schema of both; PostgreSQL only.
            columns: What columns are called that have another name than their field, and which of the application's
                own are read: see `Tables`.
            timeout: How long an answer may take, connecting included.
            pool_size: How many connections one process has at most; PostgreSQL only.
            prepared_statements: Whether statements are prepared; switched off by itself where a pooler cannot.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        place = place_of(url)
        check_timeout(timeout)
        if pool_size < 1:
            refuse("pool_size", pool_size, "use 1 or more", of="provider")
        tables = Tables(session=session_table, user=user_table, schema=schema, columns=columns or {})
        super().__init__(
            async_access(
                place, tables, timeout=timeout.total_seconds(), pool_size=pool_size, prepared=prepared_statements
            ),
            shown=f"{place.shown} {tables.describe()}",
            secrets=secrets,
            cookie_prefix=cookie_prefix,
            secure_cookies=secure_cookies,
            cookie_domain=cookie_domain,
            bearer=bearer,
        )


def check_timeout(timeout: timedelta) -> None:
    """Refuse a time that is too short or too long for a request to wait.

    Raises:
        ConfigurationError: It is.
    """
    if not timedelta(milliseconds=10) <= timeout <= timedelta(minutes=1):
        refuse("timeout", timeout, "use ten milliseconds to one minute", of="provider")


def _said(error: Exception) -> str:
    """Return what an error says; our stores speak of their own setting and tables, and here it is this one's."""
    return str(error).replace("the store URL", "the url").partition(": run `coatcheck migrate`")[0]

"""Better Auth as a provider, from its tables in D1, for a Worker. For asyncio only: a Worker has no threads."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from coatcheck.providers.better_auth.async_database import AsyncBetterAuthTables, check_timeout
from coatcheck.providers.better_auth.reading import questions_of
from coatcheck.providers.better_auth.tables import Tables
from coatcheck.stores.d1.statements import prepared
from coatcheck.stores.d1.wire import Wire, sent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coatcheck.providers.better_auth.reading import Found, Questions
    from coatcheck.stores.operations import Operation

T = TypeVar("T")


class AsyncD1Tables:
    """The tables in one D1 database."""

    def __init__(self, database: Any, tables: Tables, *, timeout: float) -> None:
        """Take the binding; nothing is asked yet."""
        self.wire = Wire(database, timeout=timeout, whose="tables of Better Auth as they are configured here")
        self._tables = tables
        self._questions: Questions | None = None

    async def open(self) -> None:
        """Look at the tables, in one round trip."""
        await self._known()

    async def _known(self) -> Questions:
        if self._questions is None:
            self._questions = await self._run(questions_of(self._tables))
        return self._questions

    async def _run(self, operation: Operation[T]) -> T:
        (rows,) = await self.wire.batch([prepared(next(operation))])
        return sent(operation, rows)

    async def read(self, token: str) -> Found | None:
        """Return a token's session and its user, in one query."""
        questions = self._questions or await self._known()
        return await self._run(questions.read(token))

    async def sign_out(self, token: str) -> None:
        """Delete a token's session."""
        questions = self._questions or await self._known()
        await self._run(questions.sign_out(token))

    async def aclose(self) -> None:
        """Do nothing: a binding has no connection to close."""


class AsyncBetterAuthD1(AsyncBetterAuthTables):
    """Better Auth's sessions, read from its own tables in D1: one query, once the cookie's signature is right.

    It never extends a session: that is what Better Auth's own `get-session` does. Better Auth itself is not asked.
    """

    name = "better-auth-d1"

    def __init__(
        self,
        database: Any,
        *,
        secrets: Sequence[str],
        binding: str = "DB",
        cookie_prefix: str = "better-auth",
        secure_cookies: bool | None = None,
        cookie_domain: str | None = None,
        bearer: bool = False,
        session_table: str = "session",
        user_table: str = "user",
        columns: Mapping[str, str] | None = None,
        timeout: timedelta = timedelta(seconds=3),
    ) -> None:
        """Take the binding; nothing is asked yet.

        Args:
            database: The binding of Better Auth's database: `env.DB`.
            secrets: Better Auth's secrets; each is accepted.
            binding: What tells this database from another whose sessions have copies in the same KV namespace.
            cookie_prefix: What the names of its cookies begin with, as its `advanced.cookiePrefix`.
            secure_cookies: Whether their names begin with `__Secure-`; None for both, that with it first.
            cookie_domain: The domain of its cookies, where it sets them for subdomains too.
            bearer: Whether bearer tokens are read, as its bearer plugin takes them: without a signature too.
            session_table: What its table of sessions is called.
            user_table: What its table of users is called.
            columns: What columns are called that have another name than their field, and which of the application's
                own are read: see `Tables`.
            timeout: How long an answer may take.

        Raises:
            ConfigurationError: It is no D1 binding, or a setting is wrong.
        """
        check_timeout(timeout)
        tables = Tables(session=session_table, user=user_table, columns=columns or {})
        super().__init__(
            AsyncD1Tables(database, tables, timeout=timeout.total_seconds()),
            shown=f"d1 {binding} {tables.describe()}",
            secrets=secrets,
            cookie_prefix=cookie_prefix,
            secure_cookies=secure_cookies,
            cookie_domain=cookie_domain,
            bearer=bearer,
        )

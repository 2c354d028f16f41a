"""Better Auth's own sign-outs at our speed where its tables and our log are in one D1 database. For asyncio only."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from coatcheck.core.refusals import refuse
from coatcheck.providers.better_auth.sql import quoted
from coatcheck.providers.better_auth.tables import Tables
from coatcheck.providers.better_auth.trigger_texts import LOG, PRESENT, missing, same, texts_of
from coatcheck.stores.d1.looks import looked_at
from coatcheck.stores.d1.statements import Prepared
from coatcheck.stores.d1.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class AsyncBetterAuthD1Triggers:
    """The triggers on Better Auth's tables, in the D1 database where coatcheck's log is too."""

    def __init__(
        self,
        database: Any,
        *,
        session_table: str = "session",
        user_table: str = "user",
        columns: Mapping[str, str] | None = None,
        timeout: timedelta = timedelta(seconds=30),
    ) -> None:
        """Take the binding; nothing is asked yet.

        Args:
            database: The binding: `env.DB`.
            session_table: What Better Auth's table of sessions is called.
            user_table: What its table of users is called.
            columns: What columns are called that have another name than their field: see `Tables`. Those that count
                here are `id`, `expiresAt` and `updatedAt`.
            timeout: How long each of three round trips may take.

        Raises:
            ConfigurationError: It is no D1 binding, or a setting is wrong.
        """
        if not timedelta(seconds=1) <= timeout <= timedelta(hours=1):
            refuse("timeout", timeout, "use one second to one hour")
        self._tables = Tables(session=session_table, user=user_table, columns=columns or {})
        self._wire = Wire(database, timeout=timeout.total_seconds())

    async def install(self) -> bool:
        """Create what is missing or altered, in one batch; running it again does no harm.

        Returns:
            Whether anything was missing or altered.

        Raises:
            ConfigurationError: A table of Better Auth's or the log is missing.
            Unavailable: The database did not answer.
        """
        wanted, present = await self._found()
        if same(wanted, present):
            return False
        await self._run([*_dropped(present), *wanted])
        return True

    async def remove(self) -> bool:
        """Drop the triggers, to be done before coatcheck's own tables are dropped; returns whether there were any.

        Raises:
            Unavailable: The database did not answer.
        """
        present = await self._present()
        await self._run(_dropped(present))
        return bool(present)

    async def problems(self) -> Sequence[str]:
        """Say what is missing or altered, each with the fix.

        Raises:
            ConfigurationError: A table of Better Auth's or the log is missing.
            Unavailable: The database did not answer.
        """
        return missing(*await self._found(), fix="run `await AsyncBetterAuthD1Triggers(env.DB).install()`")

    async def _found(self) -> tuple[list[str], dict[str, str]]:
        """Return the triggers that are wanted, and those that are there."""
        answers = await looked_at(self._wire, self._tables.session, self._tables.user)
        wanted, present = texts_of(answers, self._tables), await self._present()
        if not (await self._wire.batch([Prepared(LOG, ())]))[0]:
            refuse("database", "D1", "coatcheck's tables are not in it: apply its migration with Wrangler first")
        return wanted, present

    async def _present(self) -> dict[str, str]:
        (rows,) = await self._wire.batch([Prepared(PRESENT, (self._tables.session, self._tables.user))])
        return dict(rows)

    async def _run(self, statements: Sequence[str]) -> None:
        if statements:
            await self._wire.batch([Prepared(statement, ()) for statement in statements])


def _dropped(present: Mapping[str, str]) -> list[str]:
    return [f"DROP TRIGGER {quoted(name)}" for name in present]

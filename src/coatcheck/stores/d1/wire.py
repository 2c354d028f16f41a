"""Batches on their way to D1, and its errors on their way back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from coatcheck import bindings
from coatcheck.errors import DataError, SchemaError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.stores.d1.statements import Prepared
    from coatcheck.stores.operations import Operation, Row

T = TypeVar("T")
_LONGEST: Final = 200


class Wire:
    """One D1 binding.

    Attributes:
        trips: How many round trips there were.
    """

    def __init__(self, database: Any, *, timeout: float, whose: str = "coatcheck tables of this release") -> None:
        """Keep the binding.

        Args:
            database: The binding.
            timeout: After how many seconds a batch counts as failed.
            whose: Which tables it has to have.

        Raises:
            ConfigurationError: It is no D1 binding.
        """
        bindings.require(database, bindings.D1, setting="database", example="env.DB")
        self._database = database
        self._timeout = timeout
        self._whose = whose
        self.trips = 0

    async def batch(self, statements: Sequence[Prepared]) -> list[list[Row]]:
        """Run statements as one transaction, in one round trip; returns the rows of each.

        Raises:
            DataError: The database refused a row; nothing has changed.
            SchemaError: The tables are missing.
            Unavailable: It did not answer.
        """
        self.trips += 1
        try:
            async with asyncio.timeout(self._timeout):
                results = await self._database.batch(bindings.array_of([self._bound(each) for each in statements]))
        except bindings.failures() as error:
            raise _translated(error, self._whose) from error
        # A row is an object with its columns in their order; no statement of ours has two of the same name.
        return [[tuple(row.values()) for row in result["results"]] for result in bindings.parsed(results)]

    def _bound(self, statement: Prepared) -> Any:
        prepared = self._database.prepare(statement.sql)
        # `apply`, because a null among the values must stay one.
        return prepared.bind.apply(prepared, bindings.array_of(statement.values)) if statement.values else prepared


def sent(operation: Operation[T], rows: Sequence[Row]) -> T:
    """Return the result of an operation whose only statement has brought these rows."""
    try:
        operation.send(rows)
    except StopIteration as done:
        result: T = done.value
        return result
    msg = "an operation of several statements was run as one"
    raise AssertionError(msg)


def _translated(error: Exception, whose: str) -> Exception:
    message = str(error).removeprefix("Error: ").removeprefix("D1_ERROR: ")[:_LONGEST]
    if "SQLITE_CONSTRAINT" in message:
        return DataError(f"the D1 database refused the row: {message}; is there a user of that id?")
    if "no such table" in message or "no such column" in message:
        fix = "apply the migrations: wrangler d1 migrations apply"
        return SchemaError(f"the D1 database has no {whose} ({message}); {fix}")
    reason = "it took too long" if isinstance(error, TimeoutError) else message
    return Unavailable(f"the D1 database did not answer: {reason}")

"""What is opened before it is used, and closed afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from coatcheck._async.tiers import AsyncTiers


class AsyncOpened:
    """What stands on tiers, and is opened and closed with them.

    Attributes:
        tiers: The store, its log and the cache between the processes.
    """

    tiers: AsyncTiers

    async def open(self) -> Self:
        """Verify, and where configured create, the tables; a wrong configuration fails here.

        Raises:
            ConfigurationError: Something can never work as configured.
            SchemaError: The tables are missing, older or newer, or have been altered.
        """
        await self.tiers.open()
        return self

    async def aclose(self) -> None:
        """Close all connections."""
        await self.tiers.aclose()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

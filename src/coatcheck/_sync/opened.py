# Generated from _async/opened.py by tools/generate_sync.py: edit that, run `make generate`.
"""What is opened before it is used, and closed afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from coatcheck._sync.tiers import Tiers


class Opened:
    """What stands on tiers, and is opened and closed with them.

    Attributes:
        tiers: The store, its log and the cache between the processes.
    """

    tiers: Tiers

    def open(self) -> Self:
        """Verify, and where configured create, the tables; a wrong configuration fails here.

        Raises:
            ConfigurationError: Something can never work as configured.
            SchemaError: The tables are missing, older or newer, or have been altered.
        """
        self.tiers.open()
        return self

    def close(self) -> None:
        """Close all connections."""
        self.tiers.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

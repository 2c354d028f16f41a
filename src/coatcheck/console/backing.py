"""What the console stands on: a search across users, a trail of what operators did, and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from coatcheck.core.audit import AuditPage
    from coatcheck.core.filters import Filter, SessionPage
    from coatcheck.core.fleet import FleetReading


class Search(Protocol):
    """Finds, counts and ends sessions across users, the same ones by the same filter: `AsyncSessionSearch`."""

    async def find(self, filter: Filter | None = None, *, limit: int = 50, after: str | None = None) -> SessionPage:  # noqa: A002
        """Return a page of them, latest activity first."""
        ...

    async def count(self, filter: Filter | None = None) -> int:  # noqa: A002
        """Count them."""
        ...

    async def revoke(self, filter: Filter, *, wait: bool = False) -> int:  # noqa: A002
        """End them; returns how many."""
        ...


class Trail(Protocol):
    """Keeps what operators did, and cannot be changed: `AsyncAuditTrail`."""

    async def record(
        self,
        action: str,
        *,
        actor: str | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        address: str | None = None,
        detail: str = "",
    ) -> None:
        """Add an entry."""
        ...

    async def entries(
        self, *, user_id: str | None = None, actor: str | None = None, limit: int = 50, after: str | None = None
    ) -> AuditPage:
        """Return a page of entries, newest first: those that fulfil what is given."""
        ...


class Numbers(Protocol):
    """Reads what all workers have told of themselves: `AsyncFleetNumbers`."""

    async def read(self) -> FleetReading:
        """Return what they have told in the last half hour."""
        ...

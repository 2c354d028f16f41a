"""Tickets: secrets that are good once and for a short time, such as the link in a mail that resets a password."""

from __future__ import annotations

import json
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from coatcheck.core.credentials import Credentials, presented_bytes
from coatcheck.core.drafts import data_json, new_record
from coatcheck.core.refusals import refuse
from coatcheck.core.tickets import Ticket
from coatcheck.core.times import from_micros, to_micros
from coatcheck.core.tokens import TokenHash, new_token
from coatcheck.errors import ConfigurationError
from coatcheck.stores.base import TICKET, NewSession, Selection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from coatcheck._async.sessions import AsyncSessions
    from coatcheck.core.session import Record
    from coatcheck.core.tokens import Token

_LONGEST = timedelta(days=30)


class AsyncTickets:
    """Tickets for one purpose, in the store of some sessions.

    A ticket is a row like an anonymous visitor's, under a hash that knows its purpose: no session's token is a ticket,
    and no ticket is a session's token or a ticket for another purpose (rule C12). It is never cached. Of any number of
    callers who redeem it at once, on any number of workers, one succeeds (rule S7).
    """

    def __init__(self, sessions: AsyncSessions, *, purpose: str, lifetime: timedelta) -> None:
        """Wire the tickets to a store.

        Args:
            sessions: Whose store, keys and clock they use.
            purpose: What they are for, such as "password-reset".
            lifetime: How long each may be redeemed, up to 30 days.

        Raises:
            ConfigurationError: The store cannot see to it that each is redeemed once, or a setting is out of bounds.
        """
        if not timedelta(0) < lifetime <= _LONGEST:
            refuse("lifetime", lifetime, "use more than zero and at most 30 days", of="ticket")
        if sessions.store.capabilities.eventual:
            msg = "tickets are not possible with KV alone, where two may redeem one at the same time: use D1 beside it"
            raise ConfigurationError(msg)
        self.lifetime = lifetime
        self._tiers = sessions.tiers
        self._max_bytes = sessions.policy.max_data_bytes
        name = f"ticket:{purpose}"
        self._credentials = Credentials(TokenHash(purpose=name), self._tiers.ring(name))

    async def issue(
        self, data: Mapping[str, Any] | None = None, *, ends_at: datetime | None = None, connection: Any = None
    ) -> Token:
        """Make a ticket.

        Args:
            data: What it says: JSON, with text keys. The client never sees it.
            ends_at: An earlier end than the lifetime gives it; aware.
            connection: The caller's own connection, inside a transaction.

        Raises:
            DataError: The data is not JSON or too large.
            Unavailable: The store did not answer.
        """
        await self._tiers.log.prove()
        record = new_record(
            None,
            self._tiers.log.now() // 1000,
            remember=False,
            idle=self.lifetime,
            lifetime=self.lifetime,
            ip=None,
            user_agent=None,
            data=data_json(data or {}, self._max_bytes),
        )
        if ends_at is not None:
            end = min(record.ends_at(), to_micros(ends_at))
            record = record._replace(idle_expires_at=end, expires_at=end)
        token = new_token()
        await self._tiers.store.create(
            NewSession(self._credentials.hash_of_new(token), record, None, kind=TICKET), connection=connection
        )
        return self._credentials.issued(token)

    def well_formed(self, token: str | bytes | Token) -> bool:
        """Tell whether this could be a ticket of this purpose: its form, and with keys its signature."""
        return isinstance(self._credentials.hash_of(presented_bytes(token)), bytes)

    async def peek(self, token: str | bytes | Token | None, *, connection: Any = None) -> Ticket | None:
        """Return what a ticket says and leave it good: to show a page, never to act on it.

        Raises:
            Unavailable: The store did not answer.
        """
        record = await self._read(self._credentials.hash_of(presented_bytes(token)), connection)
        return None if record is None else _ticket(record)

    async def redeem(self, token: str | bytes | Token | None, *, connection: Any = None) -> Ticket | None:
        """Return what a ticket says and use it up; None if it never was one, is used up, or is over.

        With a connection the ticket is used up when the caller's transaction commits, and good again if it does not.

        Raises:
            Unavailable: The store did not answer.
        """
        token_hash = self._credentials.hash_of(presented_bytes(token))
        record = await self._read(token_hash, connection)
        if record is None or not isinstance(token_hash, bytes):
            return None
        ended = await self._tiers.store.revoke(Selection(token_hash=token_hash, ticket=True), connection=connection)
        self._tiers.changed(connection)
        return _ticket(record) if ended else None

    async def _read(self, token_hash: object, connection: Any) -> Record | None:
        if not isinstance(token_hash, bytes):
            return None
        reading = await self._tiers.store.read(token_hash, connection=connection)
        record = reading.record
        return None if record is None or reading.now >= record.ends_at() * 1000 else record


def _ticket(record: Record) -> Ticket:
    data = MappingProxyType(json.loads(record.data))
    return Ticket(data, from_micros(record.created_at), from_micros(record.ends_at()))

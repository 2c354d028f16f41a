"""Operators' own sessions: of a purpose of their own, in the same store, and belonging to nobody who visits.

They are rows like those of tickets (docs/decisions/0023): without a user and of their kind, by which no list
of sessions has them, and under a hash that knows its purpose. So an operator's cookie is no visitor's, whatever name it
is sent under, and no visitor's is an operator's (rule C12). Nothing of them is cached: the next request of one that has
ended is refused, on every worker.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.core.credentials import Credentials, presented_bytes
from coatcheck.core.drafts import data_json, new_record
from coatcheck.core.session import STAMP, Session
from coatcheck.core.times import duration_micros
from coatcheck.core.tokens import TokenHash, new_token
from coatcheck.stores.base import TICKET, NewSession, Rotation, Selection, Touch

if TYPE_CHECKING:
    from coatcheck._async.sessions import AsyncSessions
    from coatcheck.configuration.console_options import ConsoleOptions
    from coatcheck.core.session import Record
    from coatcheck.core.tokens import Token

_PURPOSE: Final = "console"
_TOUCH_EVERY: Final = 60_000_000
_FORM_SECRET: Final = 32
_MOST_DATA: Final = 1024


class Operator(NamedTuple):
    """Somebody who may use the console.

    Attributes:
        name: Who.
        session: Their session: the console's own, or that of the application.
        forms: What the tokens in their forms are made with (rule X2).
    """

    name: str
    session: Session
    forms: tuple[str | bytes, ...]

    def __repr__(self) -> str:
        """Show no secret (rule T9)."""
        return f"<Operator {self.name}>"


class OperatorSessions:
    """Begins, reads, renews and ends them."""

    def __init__(self, sessions: AsyncSessions, options: ConsoleOptions) -> None:
        """Wire them to the store, the keys and the clock of the visitors' sessions."""
        self._tiers = sessions.tiers
        self._options = options
        self._hashes = options.password_hashes()
        self._credentials = Credentials(TokenHash(purpose=_PURPOSE), self._tiers.ring(_PURPOSE))

    def well_formed(self, token: bytes) -> bool:
        """Tell whether this could be a token of an operator: its form, and with keys its signature."""
        return isinstance(self._credentials.hash_of(token), bytes)

    async def begin(self, name: str, *, ip: str | None, user_agent: str | None, replaces: bytes = b"") -> Token:
        """Sign an operator in, who has just given the password; what the browser held until now has ended (rule L1).

        Raises:
            Unavailable: The store did not answer.
        """
        await self._tiers.log.prove()
        now = self._tiers.log.now() // 1000
        said = {
            "operator": name,
            "password": self._hashes[name].fingerprint(),
            "forms": secrets.token_urlsafe(_FORM_SECRET),
        }
        record = new_record(
            None,
            now,
            remember=False,
            idle=self._options.idle_timeout,
            lifetime=self._options.lifetime,
            ip=ip,
            user_agent=user_agent,
            data=data_json(said, _MOST_DATA),
        )._replace(authenticated_at=now)
        token = new_token()
        old = self._credentials.hash_of(replaces)
        replaced = old if isinstance(old, bytes) else None
        new = NewSession(self._credentials.hash_of_new(token), record, replaces=replaced, kind=TICKET)
        if (await self._tiers.store.create(new)).replaced is not None:
            self._tiers.changed(None)
        return self._credentials.issued(token)

    async def read(self, presented: bytes, *, used: bool) -> Operator | None:
        """Return whose token this is; None if nobody's, or if the settings have another password for them now.

        Args:
            presented: What the request carries.
            used: Whether this is something that the operator does: then the session lives on.

        Raises:
            Unavailable: The store did not answer.
        """
        token_hash = self._credentials.hash_of(presented)
        if not isinstance(token_hash, bytes):
            return None
        reading = await self._tiers.store.read(token_hash)
        record = reading.record
        if record is None or reading.now >= record.ends_at() * 1000:
            return None
        operator = self._operator(record)
        if operator is not None and used:
            await self._touch(record, reading.now // 1000)
        return operator

    def _operator(self, record: Record) -> Operator | None:
        said = json.loads(record.data)
        known = self._hashes.get(said["operator"])
        if known is None or known.fingerprint() != said["password"]:
            return None
        return Operator(said["operator"], Session(STAMP.pack(0, 0, 0) + record.pack()), (said["forms"],))

    async def _touch(self, record: Record, now: int) -> None:
        if now - record.last_seen_at >= _TOUCH_EVERY:
            await self._tiers.store.touch([Touch(record.id, now, now + duration_micros(self._options.idle_timeout))])

    async def prove_again(self, presented: bytes) -> Token | None:
        """Note that an operator has just given the password again, under a new token; None if they have no session.

        The absolute end stays where it was.

        Raises:
            Unavailable: The store did not answer.
        """
        old = self._credentials.hash_of(presented)
        if not isinstance(old, bytes):
            return None
        await self._tiers.log.prove()
        now = self._tiers.log.now() // 1000
        fresh = new_token()
        idle_end = now + duration_micros(self._options.idle_timeout)
        rotation = Rotation(old, self._credentials.hash_of_new(fresh), authenticated_at=now, idle_expires_at=idle_end)
        if await self._tiers.store.rotate(rotation) is None:
            return None
        self._tiers.changed(None)
        return self._credentials.issued(fresh)

    async def end(self, presented: bytes) -> None:
        """Sign an operator out.

        Raises:
            Unavailable: The store did not answer.
        """
        token_hash = self._credentials.hash_of(presented_bytes(presented))
        if isinstance(token_hash, bytes):
            await self._tiers.store.revoke(Selection(token_hash=token_hash, ticket=True))
            self._tiers.changed(None)

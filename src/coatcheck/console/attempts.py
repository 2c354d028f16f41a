"""How many sign-ins may fail: counted over all workers, exactly, by rows that can be inserted once.

Each attempt takes a place before the password is looked at, and gives it back when it was right. A place is a row
like that of a ticket, so that no list has it. Its hash is made of what it is for, its number and
the quarter of an hour, and a second row under one hash is refused by every store. So of a thousand attempts at once no
more get through than of a thousand in a row.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.core.addresses import network_of
from coatcheck.core.drafts import new_record
from coatcheck.core.tokens import TokenHash
from coatcheck.errors import DataError
from coatcheck.stores.base import TICKET, NewSession, Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck._async.sessions import AsyncSessions

WINDOW: Final = timedelta(minutes=15)
"""In how long a time attempts are counted."""

_NAMES: Final = 3
"""So many times as many may fail for one name from everywhere: whoever wants to lock an operator out needs networks."""

_NO_ADDRESS: Final = "-"


class Places(NamedTuple):
    """The places that one attempt has taken."""

    hashes: tuple[bytes, ...]


class Attempts:
    """Lets attempts through, up to a number for each network and each name."""

    def __init__(self, sessions: AsyncSessions, limit: int) -> None:
        """Wire it to the store and the clock of the visitors' sessions."""
        self._tiers = sessions.tiers
        self._limit = limit
        self._hash = TokenHash(purpose="console-attempt")

    async def take(self, name: str, address: str | None) -> Places | None:
        """Return the places of one more attempt; None if there have been too many.

        Raises:
            Unavailable: The store did not answer.
        """
        network = _NO_ADDRESS if address is None else network_of(address)
        taken: list[bytes] = []
        for what, limit in ((f"network {network}", self._limit), (f"name {name}", self._limit * _NAMES)):
            place = await self._one(what, limit)
            if place is None:
                await self.give_back(Places(tuple(taken)))
                return None
            taken.append(place)
        return Places(tuple(taken))

    async def give_back(self, places: Places) -> None:
        """Let the places be taken again: the attempt has succeeded.

        Raises:
            Unavailable: The store did not answer.
        """
        for place in places.hashes:
            await self._tiers.store.revoke(Selection(token_hash=place, ticket=True))
        self._tiers.changed(None)

    async def _one(self, what: str, limit: int) -> bytes | None:
        await self._tiers.log.prove()
        now = self._tiers.log.now() // 1000
        for place in self._places(what, limit, now):
            # Looked at first: a refused row is an error in some databases' logs.
            if (await self._tiers.store.read(place)).record is None and await self._insert(place, now):
                return place
        return None

    def _places(self, what: str, limit: int, now: int) -> Iterator[bytes]:
        window = now // (WINDOW // timedelta(microseconds=1))
        for number in range(limit):
            yield self._hash(f"{window} {number} {what}".encode("utf-8", "surrogatepass"))

    async def _insert(self, place: bytes, now: int) -> bool:
        record = new_record(
            None, now, remember=False, idle=WINDOW, lifetime=WINDOW, ip=None, user_agent=None, data="{}"
        )
        try:
            await self._tiers.store.create(NewSession(place, record, kind=TICKET))
        except DataError:  # somebody else was faster
            return False
        return True

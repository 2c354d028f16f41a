"""Creating, reading and listing, for asyncio."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from coatcheck.core.coherence import session_subject
from coatcheck.core.tokens import new_session_id
from coatcheck.errors import ConfigurationError, DataError
from coatcheck.stores.base import NewSession, Selection, SessionChange
from coatcheck.testing._async_suite.common import added, head, ids_of, noted, stored, time_of
from coatcheck.testing._rows import (
    DAY,
    HOUR,
    MANY_BYTES,
    SECOND,
    a_hash,
    a_row,
    an_expired_row,
    to_create,
)

if TYPE_CHECKING:
    from coatcheck.stores.async_protocol import AsyncStore


class AsyncRows:
    """What is stored is what is read."""

    async def test_a_session_may_have_the_token_of_the_one_it_replaces(self, store: AsyncStore) -> None:
        """As when a visitor signs in whose token was made in the same request; its copies are outdated."""
        token_hash, old = await added(store)
        cursor = await head(store)
        row = a_row(await time_of(store), user_id="bob")
        result = await store.create(NewSession(token_hash, row, replaces=token_hash))
        assert result.replaced == old
        assert await stored(store, token_hash) == row
        assert (await store.find(old.id)).record is None
        assert (await store.find(row.id)).record == row
        assert await noted(store, cursor, session_subject(old.id))

    async def test_a_created_session_is_read_as_it_is(self, store: AsyncStore) -> None:
        """Every field comes back, by token hash and by id."""
        now = await time_of(store)
        data = {"cart": [1, 2.5, {"ü": None}], "name": "Zoë 🧥", "empty": ""}
        proofs = {"methods": {"pwd": now, "otp": now - DAY}, "acr": "urn:ü", "actor": "'7'"}
        row = a_row(
            now,
            user_id="Ünïcode/42",
            remember=True,
            ip="2001:db8::1",
            user_agent="a\t'b\"",
            data=json.dumps(data),
            authentication=json.dumps(proofs),
        )
        token_hash, _ = await added(store, row)
        for reading in (await store.read(token_hash), await store.find(row.id)):
            assert reading.record is not None
            assert reading.record._replace(data="", authentication="") == row._replace(data="", authentication="")
            assert json.loads(reading.record.data) == data
            assert json.loads(reading.record.authentication or "") == proofs

    async def test_an_anonymous_session_has_no_user(self, store: AsyncStore) -> None:
        """What is missing comes back as missing."""
        now = await time_of(store)
        row = a_row(now, user_id=None, authenticated_at=None, expires_at=None, ip=None, user_agent=None, data="{}")
        token_hash, _ = await added(store, row)
        assert await stored(store, token_hash) == row

    async def test_not_found_is_an_answer(self, store: AsyncStore) -> None:
        """An unknown hash or id is answered, with the place where the log stands."""
        page = await store.poll(None)
        for reading in (await store.read(a_hash()), await store.find(new_session_id())):
            assert reading.record is None
            assert reading.epoch == page.epoch
            assert reading.as_of >= page.floor

    async def test_an_expired_row_is_read_until_it_is_swept(self, store: AsyncStore) -> None:
        """Whether a session has expired is judged by its readers, who can then say so."""
        token_hash, row = await added(store, an_expired_row())
        reading = await store.read(token_hash)
        assert reading.record == row
        assert reading.now >= row.ends_at() * 1000

    @pytest.mark.parametrize("same", ["token", "id"])
    async def test_creating_never_replaces(self, store: AsyncStore, same: str) -> None:
        """A token hash or an id that is taken is refused, and whose it was keeps it."""
        token_hash, row = await added(store)
        other = a_row(await time_of(store), user_id="bob")
        new = to_create(other)._replace(token_hash=token_hash)
        if same == "id":
            new = to_create(other._replace(id=row.id))
        with pytest.raises(DataError):
            await store.create(new)
        assert await stored(store, token_hash) == row
        assert await ids_of(store, "bob") == []

    async def test_the_replaced_session_ends_with_the_creation(self, store: AsyncStore) -> None:
        """The old session is gone, logged and returned."""
        old_hash, old = await added(store)
        cursor = await head(store)
        new = to_create(a_row(await time_of(store)), replaces=old_hash)
        result = await store.create(new)
        assert result.replaced == old
        assert await stored(store, old_hash) is None
        assert await stored(store, new.token_hash) == new.record
        assert await noted(store, cursor, session_subject(old.id))

    async def test_there_may_be_nothing_to_replace(self, store: AsyncStore) -> None:
        """A token that nothing has is replaced by creating alone."""
        new = to_create(a_row(await time_of(store)), replaces=a_hash())
        assert (await store.create(new)).replaced is None
        assert await stored(store, new.token_hash) == new.record

    async def test_L2_only_listed_keys_of_an_anonymous_session_move_along(self, store: AsyncStore) -> None:
        """What the new session says itself has the last word."""
        now = await time_of(store)
        old_hash, _ = await added(store, a_row(now, user_id=None, data='{"cart": [1], "lang": "de", "csrf": "x"}'))
        order = {"replaces": old_hash, "carry_over": ("cart", "lang", "missing")}
        new = to_create(a_row(now, data='{"lang": "en"}'), **order)
        result = await store.create(new)
        assert json.loads(result.record.data) == {"cart": [1], "lang": "en"}
        assert await stored(store, new.token_hash) == result.record

    async def test_L2_nothing_of_a_user_moves_along(self, store: AsyncStore) -> None:
        """The next user of the same browser sees nothing of the last one."""
        now = await time_of(store)
        old_hash, _ = await added(store, a_row(now, data='{"cart": [1]}'))
        new = to_create(a_row(now, user_id="bob", data="{}"), replaces=old_hash, carry_over=("cart",))
        assert json.loads((await store.create(new)).record.data) == {}

    async def test_a_users_sessions_are_listed_newest_first(self, store: AsyncStore) -> None:
        """Live sessions of this user only, and no more than asked for."""
        now = await time_of(store)
        ages = (3, 1, 2)
        rows = {age: (await added(store, a_row(now, created_at=now - age * HOUR)))[1] for age in ages}
        await added(store, user_id="bob")
        await added(store, an_expired_row())
        await added(store, a_row(now, expires_at=now - SECOND))
        assert await ids_of(store, "ann") == [rows[1].id, rows[2].id, rows[3].id]
        assert await ids_of(store, "ann", 2) == [rows[1].id, rows[2].id]
        assert await ids_of(store, "nobody") == []

    async def test_all_sessions_are_listed_by_latest_activity(self, store: AsyncStore) -> None:
        """Everybody's live sessions, anonymous ones too, whichever was created last."""
        now = await time_of(store)
        users = ("ann", "bob", None)
        rows = {
            user: (await added(store, a_row(now, user_id=user, created_at=now - age, last_seen_at=now - 10 + age)))[1]
            for age, user in enumerate(users)
        }
        await added(store, an_expired_row())
        assert await ids_of(store, None) == [rows[None].id, rows["bob"].id, rows["ann"].id]
        assert await ids_of(store, None, 1) == [rows[None].id]

    async def test_L14_T10_no_row_tells_its_token(self, store: AsyncStore) -> None:
        """A listed row has nothing of the token hash, which is not among its fields."""
        token_hash, _ = await added(store)
        text = repr(await store.list_sessions("ann", 10))
        assert token_hash.hex() not in text
        assert repr(token_hash) not in text

    async def test_L10_an_empty_key_finds_nothing(self, store: AsyncStore) -> None:
        """Neither an empty hash nor an empty id is anybody's."""
        await added(store)
        assert await stored(store, b"") is None
        assert (await store.find("")).record is None
        assert list(await store.revoke(Selection(token_hash=b""))) == []
        assert list(await store.revoke(Selection(session_id=""))) == []

    async def test_a_connection_that_cannot_be_joined_is_refused(self, store: AsyncStore) -> None:
        """What should have been part of somebody's transaction is not done outside of it."""
        token_hash, row = await added(store)
        with pytest.raises(ConfigurationError):
            await store.revoke(Selection(token_hash=token_hash), connection=object())
        with pytest.raises(ConfigurationError):
            await store.save(SessionChange(row.id, {"a": 1}, (), MANY_BYTES), connection=object())
        with pytest.raises(ConfigurationError):
            await store.create(to_create(a_row(await time_of(store), user_id="bob")), connection=object())
        assert await stored(store, token_hash) == row
        assert await ids_of(store, "bob") == []

    async def test_S13_sweeping_deletes_expired_sessions_in_batches(self, store: AsyncStore) -> None:
        """Each call deletes at most one batch and says which; live sessions stay."""
        if store.capabilities.eventual:
            return  # what has expired goes by itself
        _, live = await added(store)
        now = await time_of(store)
        expired = [(await added(store, an_expired_row(expires_at=None)))[1].id for _ in range(3)]
        expired += [(await added(store, a_row(now - 40 * DAY, idle_expires_at=now + DAY)))[1].id for _ in range(2)]
        batches = [await store.sweep(2) for _ in range(4)]
        assert [len(batch) for batch in batches] == [2, 2, 1, 0]
        assert sorted(ended.id for batch in batches for ended in batch) == sorted(expired)
        assert await ids_of(store, None) == [live.id]
        assert (await store.find(expired[0])).record is None

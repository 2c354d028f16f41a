"""Sessions that belong to a device, for asyncio."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import pytest

from coatcheck.core.tokens import new_session_id
from coatcheck.stores.base import Device, Rotation, Selection, SessionChange
from coatcheck.testing._async_pair import async_together
from coatcheck.testing._async_suite.common import added, head, noted, stored
from coatcheck.testing._rows import LONG_AGO, MANY_BYTES, a_hash, an_expired_row

if TYPE_CHECKING:
    from coatcheck.stores.async_protocol import AsyncBindsDevices, AsyncStore

A_DEVICE = Device("thumbprint", '{"kty":"EC"}', "first")
ANOTHER = Device("another", '{"kty":"RSA"}', "second")


class AsyncDevices:
    """Bind, read and swap: a session belongs to one device for as long as it lives, and nobody misses that."""

    async def test_a_session_is_bound_once(self, store: AsyncStore) -> None:
        """The device is kept as it was given; a second one, as a thief's, is refused."""
        devices, (token_hash, row) = _binding(store), await added(store)
        assert await devices.device(row.id) is None
        assert await devices.bind(row.id, A_DEVICE)
        assert await stored(store, token_hash) == row._replace(device_bound=True)
        assert await devices.device(row.id) == A_DEVICE
        assert not await devices.bind(row.id, ANOTHER)
        assert await devices.device(row.id) == A_DEVICE

    async def test_of_two_that_bind_at_once_one_succeeds(self, store: AsyncStore) -> None:
        """And its device is the one that is kept."""
        devices, (_, row) = _binding(store), await added(store)
        offered = [A_DEVICE._replace(thumbprint=str(number)) for number in range(8)]
        bound = await async_together([partial(devices.bind, row.id, device) for device in offered])
        (winner,) = (device for device, done in zip(offered, bound, strict=True) if done)
        assert await devices.device(row.id) == winner

    async def test_a_binding_outdates_the_copies_from_before(self, store: AsyncStore) -> None:
        """No worker serves one that does not know of it."""
        devices, (_, row) = _binding(store), await added(store)
        cursor = await head(store)
        await devices.bind(row.id, A_DEVICE)
        assert await noted(store, cursor, f"s:{row.id}")

    async def test_what_is_gone_or_over_is_not_bound(self, store: AsyncStore) -> None:
        """Nothing is left behind either."""
        devices = _binding(store)
        gone_hash, gone = await added(store)
        await store.revoke(Selection(token_hash=gone_hash))
        _, over = await added(store, an_expired_row())
        for session_id in (gone.id, over.id, new_session_id()):
            assert not await devices.bind(session_id, A_DEVICE)
            assert await devices.device(session_id) is None

    async def test_challenges_change_only_from_what_was_seen(self, store: AsyncStore) -> None:
        """Of many who spend the same one, one succeeds."""
        devices, (_, row) = _binding(store), await added(store)
        await devices.bind(row.id, A_DEVICE)
        assert not await devices.swap_challenges(row.id, "other", "new")
        swaps = [partial(devices.swap_challenges, row.id, "first", f"new {number}") for number in range(8)]
        swapped = await async_together(swaps)
        assert sum(swapped) == 1
        assert await devices.device(row.id) == A_DEVICE._replace(challenges=f"new {swapped.index(True)}")

    async def test_a_device_stays_when_the_token_changes(self, store: AsyncStore) -> None:
        """It is the session's, and what rotating returns says so."""
        devices, (token_hash, row) = _binding(store), await added(store)
        await devices.bind(row.id, A_DEVICE)
        rotated = await store.rotate(Rotation(token_hash, a_hash()))
        assert rotated == row._replace(device_bound=True)
        assert await devices.device(row.id) == A_DEVICE

    async def test_lists_say_which_sessions_are_bound(self, store: AsyncStore) -> None:
        """A user sees which of them a thief could use."""
        devices, (_, row), (_, other) = _binding(store), await added(store), await added(store)
        await devices.bind(row.id, A_DEVICE)
        for user in ("ann", None):
            listed = await store.list_sessions(user, 10)
            assert {each.id: each.device_bound for each in listed} == {row.id: True, other.id: False}

    @pytest.mark.parametrize("end", ["token", "id", "user", "everyone"])
    async def test_a_device_goes_with_its_session(self, store: AsyncStore, end: str) -> None:
        """However that ends, and with the sweep at the latest."""
        devices, (token_hash, row) = _binding(store), await added(store)
        await devices.bind(row.id, A_DEVICE)
        selections: dict[str, Selection] = {
            "token": Selection(token_hash=token_hash),
            "id": Selection(session_id=row.id),
            "user": Selection(user_id=row.user_id),
        }
        await (store.revoke(selections[end]) if end in selections else store.revoke_everyone())
        assert await devices.device(row.id) is None
        await store.sweep(10)
        assert not await devices.swap_challenges(row.id, "first", "new"), "nothing of it is left"

    async def test_a_device_goes_when_its_session_is_over(self, store: AsyncStore) -> None:
        """Nobody gets a challenge for it any more, and the sweep takes what is left."""
        devices, (_, row) = _binding(store), await added(store)
        await devices.bind(row.id, A_DEVICE)
        await store.save(SessionChange(row.id, {}, (), MANY_BYTES, expires_at=LONG_AGO))
        assert await devices.device(row.id) is None
        assert [ended.id for ended in await store.sweep(10)] == [row.id]
        assert not await devices.swap_challenges(row.id, "first", "new")


def _binding(store: AsyncStore) -> AsyncBindsDevices:
    if not store.capabilities.devices:
        pytest.skip("this store binds no session to a device")
    return cast("AsyncBindsDevices", store)

"""Binding on the real stores: two workers, of which one has the session in memory from before it was bound."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from coatcheck import AsyncSessions, CacheSettings, CookieSettings, DeviceBinding
from coatcheck._async.devices import AsyncDevices
from tests.dbsc.device import Device
from tests.dbsc.site import KEY

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("store", ["sqlite", "postgresql", "valkey"])
async def test_no_worker_serves_a_copy_from_before_the_binding(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """As with a revocation: once nobody can accept what was, all know that the session is bound."""
    url = f"sqlite:///{tmp_path / 'app.db'}" if store == "sqlite" else request.getfixturevalue(f"{store}_url")
    cache = CacheSettings(lease=timedelta(milliseconds=500))
    async with (
        AsyncSessions(url, keys=[KEY], cache=cache) as here,
        AsyncSessions(url, keys=[KEY], cache=cache) as there,
    ):
        devices = AsyncDevices(here, DeviceBinding(), CookieSettings())
        created = await here.create("ada")
        before = await there.get(created.token)
        assert before == created.session
        assert not created.session.device_bound

        device = Device()
        offer = devices.offer(created.session)
        assert offer is not None
        cookie = await devices.register(created.session, device.registration(offer[1].decode()), audiences=[])
        await here.tiers.settled(wait=True)
        after = await there.get(created.token)
        assert after
        assert after.device_bound

        judges = AsyncDevices(there, DeviceBinding(), CookieSettings())
        assert judges.proves(after, [cookie.partition(b"=")[2].partition(b";")[0]])
        rotated = await there.rotate(created.token)
        assert rotated
        assert rotated.session.device_bound
        asked = await judges.renew(after.id, None, presented=True, audiences=[])
        assert asked is not None
        proof = device.refresh(asked.challenge)
        renewed = await devices.renew(after.id, proof, presented=True, audiences=[])
        assert renewed is not None
        assert renewed.cookie is not None
        assert await judges.renew(after.id, proof, presented=True, audiences=[]) != renewed, "signed once"
        assert await there.revoke(rotated.token)
        assert await devices.renew(after.id, device.refresh(renewed.challenge), presented=True, audiences=[]) is None

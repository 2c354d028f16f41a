"""Settings of device-bound sessions: what is refused at the start."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

import pytest

from coatcheck import AsyncSessions, ConfigurationError, CookieSettings, DeviceBinding
from coatcheck.starlette import SessionMiddleware
from coatcheck.testing import AsyncMemoryStore
from tests.dbsc.device import Device
from tests.dbsc.running import BOUND, challenge, refresh, site
from tests.dbsc.site import KEY, application
from tests.web.browser import COOKIE


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ttl": timedelta(minutes=4)}, "device_binding ttl=0:04:00 is not possible"),
        ({"ttl": timedelta(hours=2)}, "device_binding ttl=2:00:00 is not possible"),
        ({"register_path": "here"}, "device_binding register_path='here' is not possible"),
        ({"refresh_path": '/a"b'}, "refresh_path="),
        ({"refresh_path": "/session/device/register"}, "it is the register_path too"),
        ({"excluded_paths": "/static"}, "use a tuple"),
        ({"excluded_paths": ("static",)}, "excluded_paths='static'"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        DeviceBinding(**settings)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("cookie", "message"),
    [
        (CookieSettings(name="session", secure=False), "cookie secure=False is not possible"),
        (CookieSettings(name="session", domain="shop.example"), "cookie domain='shop.example' is not possible"),
    ],
    ids=["insecure", "of a domain"],
)
def test_a_cookie_that_browsers_do_not_bind_is_refused(cookie: CookieSettings, message: str) -> None:
    sessions = AsyncSessions(AsyncMemoryStore(), keys=[KEY])
    with pytest.raises(ConfigurationError) as refused:
        SessionMiddleware(application(sessions), sessions, cookie=cookie, device_binding=DeviceBinding())
    assert message in str(refused.value)
    same = DeviceBinding(cookie_name=COOKIE)
    with pytest.raises(ConfigurationError, match="it is the session cookie's"):
        SessionMiddleware(application(sessions), sessions, device_binding=same)


def test_what_binding_needs_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, a store that can, and the package that verifies signatures."""

    class Unable(AsyncMemoryStore):
        capabilities = AsyncMemoryStore.capabilities._replace(devices=False)

    def wired(sessions: AsyncSessions) -> None:
        SessionMiddleware(application(sessions, device_binding=None), sessions, device_binding=DeviceBinding())

    with pytest.raises(ConfigurationError, match=r"keys are missing: device_binding signs"):
        wired(AsyncSessions(AsyncMemoryStore()))
    with pytest.raises(ConfigurationError, match=r"device_binding='Unable' is not possible: .* use SQLite"):
        wired(AsyncSessions(Unable(), keys=[KEY]))
    monkeypatch.setitem(sys.modules, "coatcheck.device_signatures", None)
    with pytest.raises(ConfigurationError, match=r"install coatcheck\[dbsc\]"):
        wired(AsyncSessions(AsyncMemoryStore(), keys=[KEY]))


@pytest.mark.anyio
async def test_T9_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with site() as it:
        browser, session_id = await it.bound(Device())
        given = await challenge(browser, session_id)
        proof = Device().refresh(given)
        await refresh(browser, session_id, proof)
        text = json.dumps([str(vars(record)) for record in caplog.records]) + repr(it.events)
        for secret in (browser.token, browser.cookies[BOUND].partition(".")[2], proof, given):
            assert secret not in text

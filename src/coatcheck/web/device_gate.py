"""What stands between a bound session's cookie and the application: the second cookie, or one of three answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.cookies import CookieSettings, delete_cookie, find_cookies, set_cookie
from coatcheck.core.dbsc.gate import INTERSTITIAL_SECONDS, REGISTERING, Arrival, judge
from coatcheck.core.dbsc.headers import SKIPPED, skipped_in
from coatcheck.web.errors import DeviceProofAwaited

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Protocol

    from coatcheck.core.session import Session
    from coatcheck.web.types import Headers

    class Devices(Protocol):
        """`AsyncDevices` or `Devices`."""

        cookie: CookieSettings

        def proves(self, session: Session, values: Sequence[bytes]) -> bool:
            """Tell whether one of these values shows that the device sends the request."""
            ...


_COUNT: Final = re.compile(rb"[0-9]{1,3}")
_SUFFIX: Final = "-n"


def admits(devices: Devices | None, session: Session, headers: Headers) -> bool:
    """Tell whether a request comes from a bound session's device; where nobody can tell, it does not."""
    return devices is not None and devices.proves(session, values_of(headers, devices.cookie.name))


def refused(devices: Devices | None, session: Session, headers: Headers, now: datetime) -> NotSignedIn:
    """Return why a bound session counts for nothing in this request.

    Raises:
        DeviceProofAwaited: The browser may well have the key: it is to come again.
    """
    if devices is None:
        return NotSignedIn.DEVICE
    asked = _count(headers, devices.cookie)
    fresh = session.authenticated_within(REGISTERING, now)
    verdict = judge(session.id, _arrival(headers, interstitials=asked, fresh=fresh))
    if verdict == "deny":
        return NotSignedIn.DEVICE
    counted = set_cookie(_counter(devices.cookie), str(asked + 1), INTERSTITIAL_SECONDS)
    raise DeviceProofAwaited(verdict, counted)


def _arrival(headers: Headers, *, interstitials: int, fresh: bool) -> Arrival:
    opens = (_only(headers, b"sec-fetch-mode"), _only(headers, b"sec-fetch-dest")) == (b"navigate", b"document")
    skipped = skipped_in([value for key, value in headers if key == SKIPPED])
    return Arrival(_only(headers, b"sec-fetch-site"), opens, skipped, interstitials, fresh)


def _only(headers: Headers, name: bytes) -> bytes:
    values = [value for key, value in headers if key == name]
    return values[0] if len(values) == 1 else b""


def values_of(headers: Headers, cookie: str) -> list[bytes]:
    """Return all values of a cookie in a request."""
    name = cookie.encode()
    return [value for key, line in headers if key == b"cookie" for value in find_cookies(line, name)]


def _counter(cookie: CookieSettings) -> CookieSettings:
    return CookieSettings(name=cookie.name + _SUFFIX, path=cookie.path)


def _count(headers: Headers, cookie: CookieSettings) -> int:
    counts = [int(value) for value in values_of(headers, cookie.name + _SUFFIX) if _COUNT.fullmatch(value)]
    return max(counts, default=0)


def forgotten(devices: Devices) -> bytes:
    """Return the Set-Cookie that takes back the second cookie."""
    return delete_cookie(devices.cookie)

"""Settings of device-bound sessions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from coatcheck.core.cookies import CookieSettings, set_cookie
from coatcheck.core.refusals import refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORTEST: Final = timedelta(minutes=5)
"""Chromium renews a cookie that has less than two minutes left, and signs six times in nine minutes at most."""

LONGEST: Final = timedelta(hours=1)

_PATH: Final = re.compile(r"/(?!/)[A-Za-z0-9._~-]+(?:/[A-Za-z0-9._~-]+)*")
_SUFFIX: Final = "-b"
_OF: Final = "device_binding"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBinding:
    """How sessions are bound to the user's device, in browsers that can.

    Attributes:
        ttl: How long the second cookie is good, which only the device can renew: 5 minutes to 1 hour. So long
            somebody can use both cookies who has stolen them from a running browser.
        cookie_name: The name of the second cookie; by default that of the session's with "-b" behind it.
        register_path: Where browsers send their public key; the middleware answers there.
        refresh_path: Where they prove that they have its private half; likewise.
        excluded_paths: What needs no proof, such as "/static": browsers then renew nothing for it.
        clear_storage: Whether signing out of a bound session makes the browser drop its key at once, which takes the
            site's local storage with it. Without it the browser finds out when it next wants to renew.
    """

    ttl: timedelta = timedelta(minutes=10)
    cookie_name: str | None = None
    register_path: str = "/session/device/register"
    refresh_path: str = "/session/device/refresh"
    excluded_paths: tuple[str, ...] = ()
    clear_storage: bool = True

    def __post_init__(self) -> None:
        if not SHORTEST <= self.ttl <= LONGEST:
            refuse("ttl", self.ttl, "use 5 minutes to 1 hour: browsers sign six times in nine minutes at most", of=_OF)
        for name in ("register_path", "refresh_path"):
            _check_path(name, getattr(self, name))
        if self.register_path == self.refresh_path:
            refuse("refresh_path", self.refresh_path, "it is the register_path too; use another one", of=_OF)
        if isinstance(self.excluded_paths, str):
            refuse("excluded_paths", self.excluded_paths, "use a tuple, such as ('/static',)", of=_OF)
        for path in self.excluded_paths:
            _check_path("excluded_paths", path)

    def bound_cookie(self, session: CookieSettings) -> CookieSettings:
        """Return the second cookie's settings: those of the session's, for it has to travel with it.

        Raises:
            ConfigurationError: Browsers would not bind a session with such a cookie.
        """
        if not session.secure:
            refuse("secure", session.secure, "browsers bind sessions over https only: use True", of="cookie")
        if session.domain is not None:
            fix = "a session is bound for one host: use None, or no device_binding"
            refuse("domain", session.domain, fix, of="cookie")
        name = self.cookie_name or session.name + _SUFFIX
        if name == session.name:
            refuse("cookie_name", name, "it is the session cookie's; use another one", of=_OF)
        return CookieSettings(name=name, path=session.path, same_site=session.same_site, http_only=session.http_only)


def attributes_of(cookie: CookieSettings) -> str:
    """Return the attributes of a cookie as a session's description has them: without Max-Age, which is not allowed.

    They must be those with which it is set: of another SameSite, Chromium would never believe that it has it.
    """
    return set_cookie(cookie, "x", None).decode("ascii").partition("; ")[2]


def instructions(
    binding: DeviceBinding, cookie: CookieSettings, session_id: str, *, root_path: str = ""
) -> dict[str, object]:
    """Return what a browser is told that has registered a key: the JSON of a session.

    Args:
        binding: The settings.
        cookie: The second cookie.
        session_id: The session's public id, by which the browser names it: it stays when the token changes.
        root_path: What stands before the paths.
    """
    return {
        "session_identifier": session_id,
        "refresh_url": root_path + binding.refresh_path,
        "scope": {"include_site": False, "scope_specification": _excluded(root_path, binding.excluded_paths)},
        "credentials": [{"type": "cookie", "name": cookie.name, "attributes": attributes_of(cookie)}],
    }


def _excluded(root_path: str, paths: Sequence[str]) -> list[dict[str, str]]:
    return [{"type": "exclude", "domain": "*", "path": root_path + path} for path in paths]


def _check_path(name: str, path: str) -> None:
    if not _PATH.fullmatch(path):
        refuse(name, path, "use a path of this site, such as '/session/device', of letters, digits and '._~-'", of=_OF)

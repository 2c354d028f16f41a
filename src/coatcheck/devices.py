"""Readable names for the devices of a session list."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

UNKNOWN: Final = "Unknown device"

_VERSION: Final = re.compile(r"[ /]?[0-9][0-9._]*")
_LONGEST: Final = 80
_LONGEST_AGENT: Final = 512

# On these the browser is part of the system, and the device says more than either version.
_BY_DEVICE: Final = ("iPhone", "iPad", "iPod")
# The parser tells variants of a browser apart that its user does not.
_SAME_BROWSER: Final = {
    "Chrome Mobile": "Chrome",
    "Chrome Mobile WebView": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Edge Mobile": "Edge",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "HeadlessChrome": "Headless Chrome",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Opera Mobile": "Opera",
}
_SAME_SYSTEM: Final = {"Mac OS X": "macOS", "Chrome OS": "ChromeOS"}


@lru_cache(maxsize=1024)
def describe_device(user_agent: str | None) -> str:
    """Return a name that a user recognises, such as "Firefox 143 on Windows" or "Safari on iPhone".

    It is a guess from what the browser says of itself, which anybody can make up: show it, decide nothing by it.

    Args:
        user_agent: The session's `user_agent`.

    Returns:
        The name, at most 80 printable characters; "Unknown device" when there is nothing to go by, or when
        the package that knows browsers is not installed (`coatcheck[devices]`).
    """
    if not user_agent:
        return UNKNOWN
    try:
        from ua_parser import parse  # noqa: PLC0415 - an optional extra
    except ImportError:
        return UNKNOWN
    found = parse(user_agent[:_LONGEST_AGENT])
    device = found.device.family if found.device else None
    system = found.os.family if found.os else None
    browser = found.user_agent.family if found.user_agent else None
    version = found.user_agent.major if found.user_agent else None
    return _printable(_name(browser, version, system, device)) or UNKNOWN


def device_kind(user_agent: str) -> str:
    """Return what stays the same of a browser's description when the browser is updated."""
    words = describe_device(user_agent)
    return _VERSION.sub("", user_agent if words == UNKNOWN else words)


def _name(browser: str | None, version: str | None, system: str | None, device: str | None) -> str:
    by_device = device in _BY_DEVICE
    place = device if by_device else _SAME_SYSTEM.get(system or "", system)
    program = _SAME_BROWSER.get(browser or "", browser)
    if program and version and not by_device:
        program = f"{program} {version}"
    if program and place:
        return f"{program} on {place}"
    if place:
        return f"Unknown browser on {place}"
    return program or ""


def _printable(name: str) -> str:
    return "".join(character for character in name[:_LONGEST] if character.isprintable()).strip()

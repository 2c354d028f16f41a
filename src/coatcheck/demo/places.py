"""Where the demo's processes listen, what browsers think of that, and the way from one process to the other."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import NamedTuple

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_ANY = {"", "0.0.0.0", "::"}  # noqa: S104 - recognised, not listened on
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Host(NamedTuple):
    """A Host header: the name as it stands in a URL, and the port."""

    name: str
    port: int


def host_of(header: str | None, scheme: str) -> Host | None:
    """Return what a Host header says; None when it is missing or malformed."""
    match = _HOST.fullmatch(header or "")
    if match is None:
        return None
    return Host(match[1], int(match[2]) if match[2] else _DEFAULT_PORTS.get(scheme, 0))


def is_loopback(name: str) -> bool:
    """Tell whether a host name is this very machine for every browser, so that plain http counts as safe."""
    name = name.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def is_every_address(host: str) -> bool:
    """Tell whether a server on this address listens on all of the machine's addresses."""
    return host in _ANY


def address(host: str, port: int) -> str:
    """Return `host:port` as it stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def near(host: str) -> str:
    """Return the address under which the machine itself reaches a server that listens on `host`."""
    if not is_every_address(host):
        return host
    return "::1" if host == "::" else "127.0.0.1"


def origin(scheme: str, host: Host | None, port: int, other_port: int) -> str | None:
    """Return the other process's origin, or None when this request came by a way that does not lead there.

    Behind a proxy or a tunnel with ports of its own, the other port of the same host is somebody else's.
    """
    if host is None or host.port != port:
        return None
    return f"{scheme}://{host.name}:{other_port}"

"""Where an address is, in plain words: as far as the address itself says it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    Place = Callable[[str], str | None]

UNKNOWN: Final = "Unknown place"
OUTSIDE: Final = "Internet"

# RFC 1918, RFC 4193, RFC 6598 and RFC 3927.
_KNOWN: Final = (
    ("Private network", ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")),
    ("Carrier's network", ("100.64.0.0/10",)),
    ("Local link", ("169.254.0.0/16", "fe80::/10")),
)
_NETWORKS: Final = tuple(
    (words, IPv6Network(text) if ":" in text else IPv4Network(text)) for words, texts in _KNOWN for text in texts
)


def describe_place(address: str | None) -> str:
    """Return where an address is: "This machine", "Private network", "Internet".

    Which town that is only a database of addresses could say: hand in a function that asks one as `place`.

    Args:
        address: The session's `ip`.
    """
    try:
        found = ip_address(address or "")
    except ValueError:
        return UNKNOWN
    if found.is_loopback:
        return "This machine"
    return next((words for words, network in _NETWORKS if _is_in(found, network)), OUTSIDE)


def _is_in(address: IPv4Address | IPv6Address, network: IPv4Network | IPv6Network) -> bool:
    return address.version == network.version and address in network

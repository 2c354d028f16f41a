"""base64url without padding (RFC 4648 section 5, RFC 7515 section 2), in one spelling."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode


def octets_of(text: str) -> bytes | None:
    """Return what a text stands for; None for any other spelling of it, and anything else."""
    try:
        octets = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return None
    return octets if text_of(octets) == text else None


def text_of(octets: bytes) -> str:
    """Return octets as text."""
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")

"""The cipher of sealed slots, by `cryptography`, which `coatcheck[sealed]` brings."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class AES256GCM:
    """A `coatcheck.core.slots.Cipher`."""

    def seal(self, key: bytes, nonce: bytes, plain: bytes, associated: bytes) -> bytes:
        """Return what is sealed (NIST SP 800-38D)."""
        return AESGCM(key).encrypt(nonce, plain, associated)

    def open(self, key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes | None:
        """Return what was sealed with this key, nonce and associated data; None for anything else."""
        try:
            return AESGCM(key).decrypt(nonce, sealed, associated)
        except (InvalidTag, ValueError):
            return None

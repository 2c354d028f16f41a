"""Sealed slots: an OAuth provider's tokens, and secrets like them, stay on the server (needs `coatcheck[sealed]`).

>>> from coatcheck.sealed import AsyncSealedSlots, SealedSlots, Secret
"""

from coatcheck._async.sealed_slots import AsyncSealedSlots
from coatcheck._sync.sealed_slots import SealedSlots
from coatcheck.core.slots import Secret

__all__ = ["AsyncSealedSlots", "SealedSlots", "Secret"]

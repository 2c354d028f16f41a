"""Token Status Lists (draft-ietf-oauth-status-list): whether tokens were revoked, some bits for each, in one list.

    {"bits": 1, "lst": base64url(zlib(statuses, packed into octets from the least significant bit on))}

The list says nothing about how many tokens there are, nor which index is whose: that stands in each token alone.
"""

from __future__ import annotations

import hmac
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coatcheck.core.base64url import octets_of, text_of
from coatcheck.core.foreign import as_object
from coatcheck.core.refusals import refuse
from coatcheck.core.signing import check_key, octets

if TYPE_CHECKING:
    from collections.abc import Mapping

VALID: Final = 0
INVALID: Final = 1
SUSPENDED: Final = 2

LARGEST: Final = 1 << 24
"""Octets of a list, unless somebody allows more: 134 million statuses of one bit. A few kilobytes can unpack to it."""

_BITS: Final = (1, 2, 4, 8)
_LONGEST_URI: Final = 2048
_ROUNDS: Final = 10
_INDEX: Final = b"coatcheck status index 1"


class StatusRefused(Exception):
    """A token's status cannot be told, so the token is to be refused; says why, with nothing out of it."""


class StatusReference(NamedTuple):
    """Where a token's status stands.

    Attributes:
        uri: The list's address, which is its name too.
        idx: Where in it.
    """

    uri: str
    idx: int

    @property
    def claim(self) -> dict[str, Any]:
        """The `status` claim of the token (section 6.2)."""
        return {"status_list": {"idx": self.idx, "uri": self.uri}}


def reference_in(claims: Mapping[str, Any]) -> StatusReference:
    """Return where the status of a token stands; the token itself was verified before (section 8.3).

    Raises:
        StatusRefused: It does not say.
    """
    found = as_object((as_object(claims.get("status")) or {}).get("status_list")) or {}
    uri, index = found.get("uri"), found.get("idx")
    if not isinstance(uri, str) or not 0 < len(uri) <= _LONGEST_URI:
        raise StatusRefused("the token names no status list")
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise StatusRefused("the token's index is no number")
    return StatusReference(uri, index)


class StatusList:
    """The statuses of many tokens; to begin with all are valid."""

    __slots__ = ("_octets", "bits")

    def __init__(self, size: int, *, bits: int = 1) -> None:
        """Make a list.

        Args:
            size: For how many tokens: more than there will be, so that nobody can tell how many there are.
            bits: How many bits a status has: 1, 2, 4 or 8. With 1 there is none but `VALID` and `INVALID`.

        Raises:
            ConfigurationError: One of them is not possible.
        """
        if bits not in _BITS:
            refuse("bits", bits, "use 1, 2, 4 or 8", of="status list")
        if not 0 < size <= LARGEST * 8 // bits:
            refuse("size", size, f"use 1 to {LARGEST * 8 // bits}", of="status list")
        self.bits = bits
        self._octets = bytearray(-(-size * bits // 8))

    def __len__(self) -> int:
        return len(self._octets) * 8 // self.bits

    def __getitem__(self, index: int) -> int:
        """Return a status.

        Raises:
            IndexError: The list has none with this index.
        """
        octet, shift = self._place(index)
        return (self._octets[octet] >> shift) & self._mask

    def __setitem__(self, index: int, status: int) -> None:
        """Set a status.

        Raises:
            IndexError: The list has none with this index.
            ValueError: There is no such status with so few bits.
        """
        octet, shift = self._place(index)
        if not 0 <= status <= self._mask:
            msg = f"status {status} does not fit into {self.bits} bits"
            raise ValueError(msg)
        self._octets[octet] = self._octets[octet] & ~(self._mask << shift) | status << shift

    @property
    def _mask(self) -> int:
        return (1 << self.bits) - 1

    def _place(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):  # from the end on, as Python would count, there are none
            raise IndexError(index)
        octet, place = divmod(index * self.bits, 8)
        return octet, place

    def packed(self) -> dict[str, Any]:
        """Return the list as it is published: the claim `status_list` (section 4.2)."""
        return {"bits": self.bits, "lst": text_of(zlib.compress(bytes(self._octets), 9))}


def unpacked(claim: object, *, largest: int = LARGEST) -> StatusList:
    """Return a list that was published.

    Args:
        claim: The claim `status_list`.
        largest: Octets; of a longer list no more than these are ever unpacked.

    Raises:
        StatusRefused: It is none, or longer.
    """
    members = as_object(claim) or {}
    bits, text = members.get("bits"), members.get("lst")
    packed = octets_of(text) if isinstance(text, str) else None
    if type(bits) is not int or bits not in _BITS or not packed:
        raise StatusRefused("it is no status list")
    found = _inflated(packed, largest)
    unpacked_list = StatusList(1, bits=bits)
    unpacked_list._octets = bytearray(found)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return unpacked_list


def _inflated(packed: bytes, largest: int) -> bytes:
    inflating = zlib.decompressobj()
    try:
        found = inflating.decompress(packed, largest + 1)
    except zlib.error:
        raise StatusRefused("it is no status list") from None
    if len(found) > largest:
        raise StatusRefused(f"it unpacks to more than {largest} octets")
    if not found or not inflating.eof or inflating.unused_data:
        raise StatusRefused("it is no status list")
    return found


class StatusIndices:
    """Gives each token an index of its own that nobody can guess, and needs no table for it.

    The application's own number of a token, such as the id of its row, is mapped to an index by a secret permutation:
    two numbers never have the same, and an index tells neither its number nor its neighbours.
    """

    __slots__ = ("_half", "_secret", "size")

    def __init__(self, key: str | bytes, size: int) -> None:
        """Take the key, which stays the same for as long as the list is used.

        Args:
            key: 32 octets or more.
            size: How many indices there are: the size of the list, at least 2.

        Raises:
            ConfigurationError: The key is short or well known, or the size is not possible.
        """
        check_key((octets(key),), 0)
        if not 1 < size <= LARGEST * 8:
            refuse("size", size, f"use 2 to {LARGEST * 8}", of="status list")
        self._secret = hmac.digest(octets(key), _INDEX + size.to_bytes(8), "sha256")
        self._half = ((size - 1).bit_length() + 1) // 2
        self.size = size

    def __getitem__(self, number: int) -> int:
        """Return the index of a token.

        Args:
            number: The application's number of it, from 0 on.

        Raises:
            IndexError: The list has not so many.
        """
        if not 0 <= number < self.size:
            raise IndexError(number)
        index = self._permuted(number)
        while index >= self.size:  # at most some times: the permutation is of less than four times as many
            index = self._permuted(index)
        return index

    def _permuted(self, number: int) -> int:
        """Return what a Feistel network of ten rounds makes of a number, and of no other one."""
        mask = (1 << self._half) - 1
        left, right = number >> self._half, number & mask
        for turn in range(_ROUNDS):
            digest = hmac.digest(self._secret, turn.to_bytes(1) + right.to_bytes(8), "sha256")
            left, right = right, left ^ (int.from_bytes(digest[:8]) & mask)
        return left << self._half | right

    def __repr__(self) -> str:
        return f"<StatusIndices of {self.size}>"

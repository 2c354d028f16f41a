"""What a miss asks: four plain commands in one packet, which cost half of what a script does (decision 0018)."""

from __future__ import annotations

from coatcheck.stores.valkey.rows import FIELDS

ANSWERS = 4
"""Epoch, position and generation; the time; the session's values; and whether the token has been retired."""


class Question:
    """Asks where the log stands and then for a session, in this order.

    Nothing keeps another client's change from coming in between. The position is then the one before it, so that a
    copy counts as read before the change whose outcome it may show already, and is read again for nothing.
    """

    __slots__ = ("_base", "_head", "_tail")

    def __init__(self, meta_key: str) -> None:
        """Prepare what is the same in all questions."""
        meta = _command("HMGET", meta_key, "epoch", "position", "generation")
        self._base = meta_key.removesuffix("meta").encode()
        self._head = b"%b%b*%d\r\n%b" % (meta, _command("TIME"), len(FIELDS) + 2, _word("HMGET"))
        self._tail = b"".join(map(_word, FIELDS))

    def about(self, generation: bytes, token_hash: bytes) -> bytes:
        """Return the packet that asks for one session."""
        place, name = self._base + generation, token_hash.hex().encode()
        session, retired = b"%b:s:%b" % (place, name), b"%b:r:%b" % (place, name)
        asked = b"%b$%d\r\n%b\r\n%b" % (self._head, len(session), session, self._tail)
        return b"%b*2\r\n$6\r\nEXISTS\r\n$%d\r\n%b\r\n" % (asked, len(retired), retired)


def _command(*words: str) -> bytes:
    # As clients write commands in the protocol of Redis, both in its versions 2 and 3.
    return b"*%d\r\n%b" % (len(words), b"".join(map(_word, words)))


def _word(word: str) -> bytes:
    octets = word.encode()
    return b"$%d\r\n%b\r\n" % (len(octets), octets)

"""One KV namespace, as far as it can be relied upon: eventually consistent, and one write a second for each key.

What is written is seen elsewhere after up to 60 seconds, as the places that have read the key keep what they have
read for so long, a miss too. Nothing expires earlier than after 60 seconds, so each value says itself when it ends.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

from coatcheck import bindings
from coatcheck.core.refusals import refuse
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

LARGEST: Final = 25 * 1024 * 1024
"""The longest value, in bytes."""

SHORTEST: Final = 60
"""The shortest time to live, in seconds."""

_LONGEST: Final = 2**31 - 1
_LONGEST_PREFIX: Final = 128
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.:-]+")


class Namespace:
    """A KV binding, with a prefix before all keys."""

    def __init__(self, namespace: Any, *, prefix: str) -> None:
        """Take the binding.

        Args:
            namespace: The binding.
            prefix: What all keys begin with.

        Raises:
            ConfigurationError: It is no KV binding, or the prefix is not possible.
        """
        bindings.require(namespace, bindings.KV, setting="namespace", example="env.SESSIONS")
        if not _PREFIX.fullmatch(prefix) or len(prefix) > _LONGEST_PREFIX:
            fix = f"use 1 to {_LONGEST_PREFIX} letters, digits, and '_', '-', '.' or ':'"
            refuse("prefix", prefix, fix, of="KV")
        self._namespace = namespace
        self._prefix = prefix
        self.calls: list[str] = []

    async def get(self, key: str) -> bytes | None:
        """Return what lies under a key.

        Raises:
            Unavailable: KV could not answer.
        """
        found = await self._called(
            "get", self._namespace.get(self._prefix + key, bindings.object_of(type="arrayBuffer"))
        )
        return None if bindings.is_nothing(found) else bytes(found.to_bytes())

    async def put(self, key: str, value: bytes, ttl_ms: int, metadata: Mapping[str, Any] | None = None) -> bool:
        """Keep a value for at least so many milliseconds; False when somebody else writes this key just now.

        Raises:
            Unavailable: KV could not answer.
        """
        options: dict[str, Any] = {"expirationTtl": min(max(SHORTEST, math.ceil(ttl_ms / 1000)), _LONGEST)}
        if metadata is not None:
            options["metadata"] = metadata
        order = self._namespace.put(self._prefix + key, bindings.bytes_of(value), bindings.object_of(**options))
        try:
            await self._called("put", order)
        except Unavailable as error:
            if " 429 " in f"{error.__cause__} ":
                return False
            raise
        return True

    async def remove(self, key: str) -> None:
        """Forget what lies under a key.

        Raises:
            Unavailable: KV could not answer.
        """
        await self._called("delete", self._namespace.delete(self._prefix + key))

    async def keys(self, start: str) -> dict[str, Any]:
        """Return the keys that begin with this text, without the prefix, and the metadata of each.

        Raises:
            Unavailable: KV could not answer.
        """
        found: dict[str, Any] = {}
        cursor: str | None = None
        while True:
            options = {"prefix": self._prefix + start, **({} if cursor is None else {"cursor": cursor})}
            page = bindings.parsed(await self._called("list", self._namespace.list(bindings.object_of(**options))))
            for line in page["keys"]:
                found[line["name"].removeprefix(self._prefix)] = line.get("metadata")
            cursor = page.get("cursor")
            if page["list_complete"] or not cursor:
                return found

    async def _called(self, name: str, call: Awaitable[Any]) -> Any:
        self.calls.append(name)
        try:
            return await call
        except bindings.failures() as error:
            msg = f"KV does not answer: {type(error).__name__}"
            raise Unavailable(msg) from error


def parsed(value: bytes) -> Any:
    """Return a stored JSON value; None for what is none."""
    try:
        return json.loads(value)
    except ValueError:
        return None

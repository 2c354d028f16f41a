"""Sessions that a library keeps in Valkey or Redis, one key each."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import redis

from coatcheck.errors import Unavailable
from coatcheck.importing.found import Stored
from coatcheck.valkey_urls import client

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

_MARK: Final = "coatcheck-imported:"
_MARKED_FOR: Final = timedelta(days=400)
"""How long a session stays marked that its library never forgets: as long as browsers keep a cookie."""

_SPECIAL: Final = re.compile(r"[\\*?\[\]]")
_TIMEOUT: Final = 5.0


class ValkeySource:
    """The keys that begin with a prefix. A session that was taken is marked by a key that lives as long as it does."""

    def __init__(self, url: str, prefix: str) -> None:
        """Connect when it is used.

        Raises:
            ConfigurationError: The URL is wrong.
        """
        self._client: Any = client(url, timeout=_TIMEOUT, max_connections=1)
        self._prefix = prefix

    def stored(self, batch: int) -> Iterator[Stored]:
        """Yield what is there. A key that appears twice while the server moves keys about is yielded once."""
        seen: set[str] = set()
        names = self._names(batch)
        while keys := list(islice(names, batch)):
            fresh = dict.fromkeys(key for key in keys if key not in seen)
            seen.update(fresh)
            yield from self._read(fresh)

    def _names(self, batch: int) -> Iterator[str]:
        pattern = _SPECIAL.sub(r"\\\g<0>", self._prefix) + "*"
        with _answering():
            for key in self._client.scan_iter(match=pattern, count=batch):
                name = key.decode("utf-8", "replace")
                if not name.startswith(_MARK):
                    yield name

    def _read(self, keys: Iterable[str]) -> list[Stored]:
        keys = list(keys)
        with _answering(), self._client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.get(key)
                pipeline.pttl(key)
            answers: list[Any] = pipeline.execute(raise_on_error=False)
        now = datetime.now(UTC)
        found = zip(keys, answers[::2], answers[1::2], strict=True)
        # What is gone by now is no session any more; of another type it never was one.
        return [Stored(key, value, _end(now, left)) for key, value, left in found if isinstance(value, bytes)]

    def is_taken(self, stored: Stored) -> bool:
        """Tell whether this session was taken before."""
        with _answering():
            return bool(self._client.exists(_MARK + stored.mark))

    def take(self, stored: Stored) -> bool:
        """Mark a session as taken; False if it is already."""
        life = _MARKED_FOR if stored.ends is None else stored.ends - datetime.now(UTC)
        with _answering():
            return bool(self._client.set(_MARK + stored.mark, b"1", nx=True, px=max(life, timedelta(seconds=1))))

    def give_back(self, stored: Stored) -> None:
        """Take the mark away again."""
        with _answering():
            self._client.delete(_MARK + stored.mark)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _end(now: datetime, left: Any) -> datetime | None:
    return now + timedelta(milliseconds=left) if isinstance(left, int) and left >= 0 else None


@contextmanager
def _answering() -> Generator[None]:
    try:
        yield
    except redis.RedisError as error:
        msg = f"the server with the old sessions did not answer: {type(error).__name__}"
        raise Unavailable(msg) from error

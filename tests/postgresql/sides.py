"""One test for both sides: the store for asyncio behind the face of the one for threads."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Self, cast

from coatcheck.stores.base import Selection
from coatcheck.stores.postgresql import AsyncPostgreSQLStore, PostgreSQLStore
from coatcheck.testing._rows import a_row, to_create

if TYPE_CHECKING:
    from coatcheck.core.coherence import LogPage
    from coatcheck.core.session import Record
    from coatcheck.stores.base import CreateResult, Ended, NewSession, Reading

SIDES = ("asyncio", "threads")


class Side:
    """A store of one of the two kinds, and the loop of its own that one of them needs.

    Args:
        kind: "asyncio" or "threads".
        url: The server.
        settings: The store's other arguments.
    """

    def __init__(self, kind: str, url: str, **settings: Any) -> None:
        self.kind = kind
        self.url = url
        self.store: Any = (AsyncPostgreSQLStore if kind == "asyncio" else PostgreSQLStore)(url, **settings)
        self._runner = asyncio.Runner()

    def do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the store, and wait for it."""
        answer = getattr(self.store, verb)(*args, **kwargs)
        return self._runner.run(_awaited(answer)) if inspect.isawaitable(answer) else answer

    def __enter__(self) -> Self:
        try:
            self.do("open")
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.do("aclose" if self.kind == "asyncio" else "close")
        self._runner.close()

    # --- what most tests do

    def now(self) -> int:
        return self.poll().now // 1000

    def added(self, row: Record | None = None, **changes: Any) -> tuple[bytes, Record]:
        """Insert a session; returns its token hash and its row."""
        new = to_create(row or a_row(self.now(), **changes))
        return new.token_hash, self.create(new).record

    def create(self, new: NewSession, **options: Any) -> CreateResult:
        return cast("CreateResult", self.do("create", new, **options))

    def read(self, token_hash: bytes) -> Reading:
        return cast("Reading", self.do("read", token_hash))

    def poll(self, cursor: Any = None) -> LogPage:
        return cast("LogPage", self.do("poll", cursor))

    def revoke(self, **selection: Any) -> list[Ended]:
        return list(self.do("revoke", Selection(**selection)))

    def ids(self, user_id: str | None = None, limit: int = 10_000) -> list[str]:
        return [row.id for row in self.do("list_sessions", user_id, limit)]


async def _awaited(answer: Any) -> Any:
    return await answer

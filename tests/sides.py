"""One test for both sides: a store for asyncio behind the face of the one for threads."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

import pytest

from coatcheck.errors import Unavailable
from coatcheck.stores.base import Selection
from coatcheck.testing._rows import a_hash, a_row, to_create
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coatcheck.core.coherence import LogPage
    from coatcheck.core.session import Record
    from coatcheck.stores.base import CreateResult, Ended, NewSession, Reading

S = TypeVar("S", bound="Side")


class Side:
    """A store of one of the two kinds, and the loop of its own that one of them needs.

    Args:
        kind: "asyncio" or "threads".
        url: The server.
        settings: The store's other arguments.

    Attributes:
        for_asyncio: The class of the one kind.
        for_threads: That of the other.
    """

    for_asyncio: ClassVar[type]
    for_threads: ClassVar[type]

    def __init__(self, kind: str, url: str, **settings: Any) -> None:
        self.kind = kind
        self.url = url
        self.store: Any = (self.for_asyncio if kind == "asyncio" else self.for_threads)(url, **settings)
        self._runner = asyncio.Runner()

    def do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the store, and wait for it."""
        return self.wait_for(getattr(self.store, verb)(*args, **kwargs))

    def wait_for(self, answer: Any) -> Any:
        """Return an answer, which one of the two kinds has to be waited for."""
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

    def until_it_answers(self) -> None:
        """Wait until the store has found the server that has come back."""

        def answers() -> bool:
            try:
                self.poll()
                self.read(a_hash())
            except Unavailable:
                return False
            return True

        until(answers, "the store answers")


async def _awaited(answer: Any) -> Any:
    return await answer


@pytest.fixture(params=("asyncio", "threads"))
def kind(request: pytest.FixtureRequest) -> str:
    """Run a test that asks for it once for each kind."""
    return str(request.param)


@contextmanager
def opening(make: Callable[..., S]) -> Iterator[Callable[..., S]]:
    """Give a test open stores, as many as it makes, and close them."""
    with ExitStack() as stack:

        def opened(url: str, **settings: Any) -> S:
            side = make(url, **settings)
            stack.enter_context(side)
            return side

        yield opened

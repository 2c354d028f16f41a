"""Nothing waits in the event loop: what may have to wait for the disk runs in a thread."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from blockbuster import BlockingError, blockbuster_ctx

from coatcheck import Policy
from coatcheck.stores.sqlite.database import Database
from tests.web.application import KEY, OLD_KEY, site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.web.application import Site

pytestmark = pytest.mark.anyio


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the threads that have written."""
    names: set[str] = set()
    write = Database.write

    def noted(self: Database, operation: Any) -> Any:
        names.add(threading.current_thread().name.rstrip("0123456789"))
        return write(self, operation)

    monkeypatch.setattr(Database, "write", noted)
    return names


@contextmanager
def nothing_blocks() -> Iterator[None]:
    """Make a blocking call in the event loop raise."""
    with blockbuster_ctx() as blocking:
        for name, function in blocking.functions.items():
            # Reading from SQLite takes microseconds, and is done where it is asked for, on purpose.
            if name.startswith("sqlite3."):
                function.deactivate()
        yield


async def use_every_verb(it: Site) -> None:
    browser, other = it.browser(), await it.signed_in()
    await browser.post("/visit", {"a": 1})
    await browser.post("/sign-in", {"user": "alice", "remember": True})
    for path in ("/me", "/private", "/recent", "/devices", "/plain", "/nowhere"):
        assert (await browser.get(path)).status in {200, 404}
    for path in ("/save", "/rotate", "/rotate?reauthenticated", "/alone"):
        assert (await browser.post(path, {"a": 2})).status == 200
    assert (await other.get("/private")).status == 401
    browser.user_agent = "New/2.0"
    it.clock.advance(timedelta(minutes=1))
    await browser.get("/me")
    await it.sessions.flush()
    async with browser.websocket("/echo") as socket:
        await socket.accepted()
        await socket.say("hello")
        assert await socket.heard() == "hello"
        await it.sessions.revoke_user("alice")
        assert await socket.close_code() == 4001
    await browser.post("/sign-in", {"user": "alice"})
    await browser.post("/sign-out")
    await it.sessions.revoke_everyone()
    it.clock.advance(timedelta(days=100))
    await it.sessions.sweep()
    await it.sessions.list_active()


async def test_no_verb_blocks_the_event_loop(tmp_path: Path, writers: set[str]) -> None:
    """Every verb once, with keys and without a cache hit to spare it; all writing is done in the writing thread."""
    soon = {"stream_check_every": timedelta(milliseconds=10)}
    policy = Policy(touch_every=timedelta(0), max_sessions=2)
    async with site(tmp_path, keys=[KEY, OLD_KEY], policy=policy, middleware=soon) as it:
        with nothing_blocks():
            await use_every_verb(it)
    assert writers == {"coatcheck-sqlite_"}


async def test_a_call_that_blocks_would_be_noticed(tmp_path: Path) -> None:
    with nothing_blocks(), pytest.raises(BlockingError):
        (tmp_path / "file").write_text("x")

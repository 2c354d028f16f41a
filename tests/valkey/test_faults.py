"""A server that does not answer: every call ends with Unavailable, and works again when the server does."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.errors import Unavailable
from coatcheck.stores.base import Rotation, Selection, SessionChange, Touch
from coatcheck.stores.valkey import AsyncValkeyStore
from coatcheck.testing._rows import MANY_BYTES, a_hash, a_row, to_create
from tests.servers.proxy import Proxy
from tests.servers.waiting import DEADLINE, until
from tests.valkey.sides import Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.valkey import Valkey

    Connect = Callable[..., Side]

pytestmark = pytest.mark.processes

QUICKLY = 0.3


def calls(token_hash: bytes, now: int) -> list[tuple[Any, ...]]:
    """Return every call there is."""
    return [
        ("read", token_hash),
        ("find", "x"),
        ("poll", None),
        ("create", to_create(a_row(now))),
        ("touch", [Touch("x", now, now)]),
        ("save", SessionChange("x", {}, (), MANY_BYTES)),
        ("relocate", "x", None, None),
        ("rotate", Rotation(a_hash(), a_hash())),
        ("revoke", Selection(token_hash=a_hash())),
        ("revoke_everyone",),
        ("invalidate_user", "ann"),
        ("list_sessions", "ann", 10),
        ("sweep", 10),
        ("problems",),
    ]


def all_fail(side: Side, token_hash: bytes, now: int) -> None:
    for call in calls(token_hash, now):
        with pytest.raises(Unavailable) as failure:
            side.do(*call)
        assert "127.0.0.1" not in str(failure.value)


def works_again(side: Side, token_hash: bytes) -> None:
    def found() -> bool:
        try:
            return side.poll().resumed and side.read(token_hash).record is not None
        except Unavailable:
            return False

    until(found, "the store answers")
    fresh, row = side.added()  # and every answer belongs to its question
    assert side.read(fresh).record == row
    assert side.revoke(token_hash=fresh)


def test_a_server_that_stands_still(server: Valkey, connect: Connect) -> None:
    side = connect(server.url(), timeout=QUICKLY)
    token_hash, row = side.added()
    server.pause()
    all_fail(side, token_hash, row.created_at)
    server.resume()
    works_again(side, token_hash)


def test_a_black_hole(server: Valkey, connect: Connect) -> None:
    """Nothing is refused and nothing is answered, on old connections and on new ones."""
    with Proxy(server.port) as proxy:
        side = connect(proxy.through(server.url()), timeout=QUICKLY)
        token_hash, row = side.added()
        proxy.black_hole(new_ones_work=False)
        all_fail(side, token_hash, row.created_at)
        proxy.restore()
        works_again(side, token_hash)


def test_a_killed_server(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    token_hash, row = side.added()
    saved = server.snapshot()
    server.kill()
    all_fail(side, token_hash, row.created_at)
    server.restart_from(saved)
    works_again(side, token_hash)


def test_a_server_that_is_not_there_at_the_start(server: Valkey, connect: Connect) -> None:
    """Is like one that is not there later."""
    server.kill()
    side = connect(server.url())
    with pytest.raises(Unavailable):
        side.poll()
    server.start()
    token_hash, _ = side.added()
    works_again(side, token_hash)


def test_readings_survive_connections_that_were_cut(server: Valkey, connect: Connect) -> None:
    """Asking twice makes no difference, so nobody hears of it."""
    with Proxy(server.port) as proxy:
        side = connect(proxy.through(server.url()))
        token_hash, row = side.added()
        for reset in (False, True):
            proxy.cut(reset=reset)
            assert side.read(token_hash).record == row
            proxy.cut(reset=reset)
            assert side.poll().resumed


def test_waiting_for_news_ends_whatever_the_server_does(server: Valkey, connect: Connect) -> None:
    """And hears of the next change when it is back, without a restart."""
    with Proxy(server.port) as proxy:
        side, writer = connect(proxy.through(server.url()), timeout=QUICKLY), connect(server.url())
        side.poll()
        seen = side.do("news", 0, 0.01)
        proxy.black_hole(new_ones_work=False)
        assert side.do("news", seen, 3 * QUICKLY) == seen
        assert side.do("vitals").listening is False
        proxy.restore()
        writer.do("invalidate_user", "ann")
        assert side.do("news", seen, DEADLINE) != seen
        assert side.do("vitals").listening is True


@pytest.mark.anyio
async def test_a_cancelled_call_mixes_no_answers(server: Valkey) -> None:
    """Its connection is not used again while an answer is on its way."""
    store = AsyncValkeyStore(server.url(), max_connections=1)
    await store.open()
    now = (await store.poll(None)).now // 1000
    new = to_create(a_row(now))
    await store.create(new)
    server.pause()
    call = asyncio.create_task(store.list_sessions("ann", 10))
    done, _ = await asyncio.wait([call], timeout=0.05)
    assert not done
    call.cancel()
    await asyncio.wait([call])
    server.resume()
    assert (await store.read(new.token_hash)).record == new.record
    await store.aclose()


def test_the_polls_have_a_connection_of_their_own(server: Valkey, connect: Connect) -> None:
    """When all others are busy, the lease can still be renewed."""
    side = connect(server.url(), max_connections=1)
    side.poll()
    taken: Any = None
    pool = side.store._wire._client.connection_pool
    if side.kind == "threads":
        taken = pool.get_connection()
        with pytest.raises(Unavailable):
            side.read(a_hash())
        side.poll()
        pool.release(taken)
    else:
        taken = side.wait_for(pool.get_connection())
        with pytest.raises(Unavailable):
            side.read(a_hash())
        side.poll()
        side.wait_for(pool.release(taken))
    assert side.read(a_hash()).record is None


def test_closing_sends_home_who_waits_for_news(server: Valkey) -> None:
    with Side("threads", server.url()) as side:
        side.poll()
        answers: list[int] = []
        waiting = [threading.Thread(target=lambda: answers.append(side.do("news", 0, DEADLINE))) for _ in range(3)]
        for thread in waiting:
            thread.start()
        until(lambda: side.do("vitals").listening, "somebody listens")
    for thread in waiting:
        thread.join(DEADLINE / 2)
    assert answers == [0, 0, 0]

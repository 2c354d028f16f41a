"""Safe under fork: a child uses no connection of its parent, and leaves it as it is."""

from __future__ import annotations

import asyncio
import os
import traceback
from typing import TYPE_CHECKING

import pytest

from coatcheck.stores.valkey import AsyncValkeyStore, ValkeyStore
from coatcheck.testing._rows import a_row, to_create

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.valkey import Valkey

pytestmark = [pytest.mark.processes, pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")]


def in_a_child(work: Callable[[], object]) -> None:
    """Do something in a child process, and fail if it fails there."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - the child must not go on as a second test run
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def clients_of(server: Valkey) -> set[str]:
    with server.client() as client:
        return {str(each["id"]) for each in client.client_list() if each["cmd"] != "client|list"}


def test_a_forked_store_for_threads(server: Valkey) -> None:
    store = ValkeyStore(server.url())
    store.open()
    now = store.poll(None).now // 1000
    new = to_create(a_row(now))
    store.create(new)
    store.news(0, 0.01)
    before = clients_of(server)

    def work() -> None:
        assert store.read(new.token_hash).record == new.record
        assert store.poll(None).resumed
        store.invalidate_user("ann")
        assert clients_of(server) > before  # connections of its own
        store.close()

    in_a_child(work)
    assert store.read(new.token_hash).record == new.record
    assert store.poll(None).entries
    assert clients_of(server) == before  # the same as before
    store.close()


def test_a_forked_store_for_asyncio(server: Valkey) -> None:
    store = AsyncValkeyStore(server.url())
    with asyncio.Runner() as runner:
        runner.run(store.open())
        now = runner.run(store.poll(None)).now // 1000
        new = to_create(a_row(now))
        runner.run(store.create(new))
        before = clients_of(server)

        async def in_child() -> None:
            assert (await store.read(new.token_hash)).record == new.record
            assert clients_of(server) > before
            await store.aclose()

        in_a_child(lambda: asyncio.run(in_child()))
        assert runner.run(store.read(new.token_hash)).record == new.record
        assert clients_of(server) == before
        runner.run(store.aclose())

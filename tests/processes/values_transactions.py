"""A row and its cached value change as one, in the caller's own transaction, under the eyes of other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.processes.origin import update

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from coatcheck import AsyncCache
    from tests.callers import Caller
    from tests.processes.values import Site


def check(site: Site, key: str, connected: AbstractContextManager[Caller], *, commit: bool) -> None:
    """Change both, while everybody calls: nothing may be seen of it before the commit, and nothing without."""
    loads = _loads(site)
    with connected as caller:
        caller.execute(update(key, site.versions[key] + 1))
        site.cache.invalidate(key, connection=caller.connection)
        site.until_answered()
        assert _loads(site) == loads, "nothing has happened yet"
        (caller.commit if commit else caller.rollback)()
        _judge(site, key, loads, commit=commit)


async def check_async(
    site: Site, cache: AsyncCache, key: str, connected: AbstractAsyncContextManager[Caller], *, commit: bool
) -> None:
    """The same for asyncio."""
    loads = _loads(site)
    async with connected as caller:
        await caller.execute(update(key, site.versions[key] + 1))
        await cache.invalidate(key, connection=caller.connection)
        site.until_answered()
        assert _loads(site) == loads, "nothing has happened yet"
        await (caller.commit if commit else caller.rollback)()
        _judge(site, key, loads, commit=commit)


def _loads(site: Site) -> int:
    return len(site.book.lines("begin"))


def _judge(site: Site, key: str, loads: int, *, commit: bool) -> None:
    if commit:
        site.versions[key] += 1
        site.outdated(key)
        site.until_served()
    else:
        site.until_answered()
        assert _loads(site) == loads, "nothing has happened"


def check_late_loads(site: Site, connected: AbstractContextManager[Caller], *, loads: int) -> None:
    """Load while the transaction is open, and end the load after its commit: what it brings is never served.

    Args:
        site: The workers, none of which has the value.
        connected: The caller's connection.
        loads: How many of the workers load.
    """
    site.gates.shut("cold")
    with connected as caller:
        caller.execute(update("cold", 2))
        site.cache.invalidate("cold", connection=caller.connection)
        site.workers.tell("call_across", key="cold", other="a")
        assert {load.version for load in site.until_loading("cold", loads)} == {1}
        caller.commit()
    site.cache.invalidate("another", wait=True)
    assert site.workers.ask("ask") == [{"asked": True}] * len(site.each), "all know of the commit now"
    site.gates.open("cold")
    assert 1 in {answer["version"] for answer in site.workers.hear()}, "it has brought the old one"
    assert site.workers.ask("call", key="cold") == [{"version": 2}] * len(site.each)

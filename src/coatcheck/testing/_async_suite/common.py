"""What every part of the suite uses, for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck.testing._rows import a_row, named, to_create

if TYPE_CHECKING:
    from coatcheck.core.coherence import LogPage
    from coatcheck.core.session import Record
    from coatcheck.stores.async_protocol import AsyncStore


async def time_of(store: AsyncStore) -> int:
    """Return the store's time, in microseconds."""
    return (await store.poll(None)).now // 1000


async def added(store: AsyncStore, row: Record | None = None, **changes: Any) -> tuple[bytes, Record]:
    """Insert a session; returns its token hash and its row."""
    new = to_create(row or a_row(await time_of(store), **changes))
    await store.create(new)
    return new.token_hash, new.record


async def head(store: AsyncStore) -> Any:
    """Return the cursor of somebody who knows all of the log."""
    return (await store.poll(None)).cursor


async def subjects_since(store: AsyncStore, cursor: Any) -> list[str]:
    """Return the subjects of the log's entries from a cursor on."""
    page = await store.poll(cursor)
    assert page.resumed
    return [entry.subject for entry in page.entries]


async def noted(store: AsyncStore, cursor: Any, subject: str) -> bool:
    """Tell whether the log names a subject from a cursor on; of a store without a log nothing can be asked."""
    return store.capabilities.eventual or subject in await subjects_since(store, cursor)


async def outdated(store: AsyncStore, cursor: Any, *rows: Record) -> bool:
    """Tell whether the log outdates the copies of all these sessions; of a store without a log nothing can be asked."""
    if store.capabilities.eventual:
        return True
    subjects = await subjects_since(store, cursor)
    return all(named(row, subjects) for row in rows)


async def subjects_after(store: AsyncStore, page: LogPage) -> list[str]:
    """Return the subjects of the entries that were committed after a page was read."""
    following = await store.poll(page.cursor)
    assert following.resumed
    return [entry.subject for entry in following.entries if entry not in page.entries]


async def stored(store: AsyncStore, token_hash: bytes) -> Record | None:
    """Return the row with this token hash."""
    return (await store.read(token_hash)).record


async def ids_of(store: AsyncStore, user_id: str | None, limit: int = 1000) -> list[str]:
    """Return the ids that the store lists, in its order."""
    return [row.id for row in await store.list_sessions(user_id, limit)]

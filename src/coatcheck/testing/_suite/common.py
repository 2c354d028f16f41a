# Generated from testing/_async_suite/common.py by tools/generate_sync.py: edit that, run `make generate`.
"""What every part of the suite uses, for threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck.testing._rows import a_row, named, to_create

if TYPE_CHECKING:
    from coatcheck.core.coherence import LogPage
    from coatcheck.core.session import Record
    from coatcheck.stores.protocol import Store


def time_of(store: Store) -> int:
    """Return the store's time, in microseconds."""
    return (store.poll(None)).now // 1000


def added(store: Store, row: Record | None = None, **changes: Any) -> tuple[bytes, Record]:
    """Insert a session; returns its token hash and its row."""
    new = to_create(row or a_row(time_of(store), **changes))
    store.create(new)
    return new.token_hash, new.record


def head(store: Store) -> Any:
    """Return the cursor of somebody who knows all of the log."""
    return (store.poll(None)).cursor


def subjects_since(store: Store, cursor: Any) -> list[str]:
    """Return the subjects of the log's entries from a cursor on."""
    page = store.poll(cursor)
    assert page.resumed
    return [entry.subject for entry in page.entries]


def noted(store: Store, cursor: Any, subject: str) -> bool:
    """Tell whether the log names a subject from a cursor on; of a store without a log nothing can be asked."""
    return store.capabilities.eventual or subject in subjects_since(store, cursor)


def outdated(store: Store, cursor: Any, *rows: Record) -> bool:
    """Tell whether the log outdates the copies of all these sessions; of a store without a log nothing can be asked."""
    if store.capabilities.eventual:
        return True
    subjects = subjects_since(store, cursor)
    return all(named(row, subjects) for row in rows)


def subjects_after(store: Store, page: LogPage) -> list[str]:
    """Return the subjects of the entries that were committed after a page was read."""
    following = store.poll(page.cursor)
    assert following.resumed
    return [entry.subject for entry in following.entries if entry not in page.entries]


def stored(store: Store, token_hash: bytes) -> Record | None:
    """Return the row with this token hash."""
    return (store.read(token_hash)).record


def ids_of(store: Store, user_id: str | None, limit: int = 1000) -> list[str]:
    """Return the ids that the store lists, in its order."""
    return [row.id for row in store.list_sessions(user_id, limit)]

"""From a URL to the store it names."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from coatcheck.errors import ConfigurationError
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore

if TYPE_CHECKING:
    from coatcheck.clock import Clock
    from coatcheck.stores.users import UsersTable


def async_store_from_url(url: str, users: UsersTable | None = None, clock: Clock | None = None) -> AsyncSQLiteStore:
    """Return the asyncio store that a URL such as `sqlite:///app.db` names.

    Raises:
        ConfigurationError: The scheme is unknown or the path is missing.
    """
    return AsyncSQLiteStore(_sqlite_path(url), users=users, clock=clock)


def store_from_url(url: str, users: UsersTable | None = None, clock: Clock | None = None) -> SQLiteStore:
    """Return the store that a URL such as `sqlite:///app.db` names.

    Raises:
        ConfigurationError: The scheme is unknown or the path is missing.
    """
    return SQLiteStore(_sqlite_path(url), users=users, clock=clock)


def _sqlite_path(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or not parts.path.strip("/"):
        # The URL may hold a password: only the scheme is shown.
        msg = (
            f"store URL with scheme {parts.scheme!r} is not possible: use 'sqlite:///app.db' or 'sqlite:////srv/app.db'"
        )
        raise ConfigurationError(msg)
    return unquote(parts.path[1:])

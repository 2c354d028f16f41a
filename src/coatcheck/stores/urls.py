"""From a URL to the store it names."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

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
    scheme, separator, path = url.partition("://")
    if scheme != "sqlite" or not path.startswith("/") or not path.strip("/"):
        # The URL may hold a password: only the scheme is shown.
        shown = scheme if separator else url.partition(":")[0]
        msg = f"store URL with scheme {shown!r} is not possible: use 'sqlite:///app.db' or 'sqlite:////srv/app.db'"
        raise ConfigurationError(msg)
    if "?" in path or "#" in path:
        msg = "store URL with '?' or '#' is not possible: nothing may follow the path; write these as %3F and %23"
        raise ConfigurationError(msg)
    return unquote(path[1:])

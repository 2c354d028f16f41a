"""The PostgreSQL store."""

from coatcheck.stores.postgresql.async_store import AsyncPostgreSQLStore
from coatcheck.stores.postgresql.store import PostgreSQLStore

__all__ = ["AsyncPostgreSQLStore", "PostgreSQLStore"]

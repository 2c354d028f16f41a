"""Sessions that Appwrite issues, validated by `GET /account`: `AsyncAppwrite` for asyncio, `Appwrite` for threads."""

from coatcheck.providers.appwrite.appwrite import Appwrite
from coatcheck.providers.appwrite.async_appwrite import AsyncAppwrite

__all__ = ["Appwrite", "AsyncAppwrite"]

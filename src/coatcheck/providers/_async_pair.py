"""What asyncio does differently in more than words. Its twin for threads is `_pair.py`, by hand as well."""

from __future__ import annotations

import asyncio

AsyncLock = asyncio.Lock
async_sleep = asyncio.sleep

limited = asyncio.timeout
"""End what takes longer than so many seconds in all, by a TimeoutError."""

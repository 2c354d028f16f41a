"""What asyncio does differently in more than words. Its twin for threads is `_pair.py`, by hand as well."""

import asyncio

AsyncLock = asyncio.Lock
async_sleep = asyncio.sleep

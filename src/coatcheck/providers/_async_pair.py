"""What asyncio does differently in more than words. Its twin for threads is `_pair.py`, by hand as well."""

import asyncio

async_sleep = asyncio.sleep

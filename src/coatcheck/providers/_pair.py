"""What threads do differently in more than words. Its twin for asyncio is `_async_pair.py`, by hand as well."""

import threading
import time

Lock = threading.Lock
sleep = time.sleep

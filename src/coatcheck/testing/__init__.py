"""What others test their applications and stores with.

`ManualClock` moves only by hand. `AsyncMemoryStore` and `MemoryStore` keep sessions in a dictionary.
`AsyncFaultyStore` and `FaultyStore` put faults before any store; `AsyncMemoryCache` and `MemoryCache` are shared caches
that have faults of their own. They need nothing but coatcheck.

Other modules need more, `pip install coatcheck[testing]`: `coatcheck.testing.conformance` and
`coatcheck.testing.async_conformance` say whether a store keeps its promises, `coatcheck.testing.cache_conformance` and
`coatcheck.testing.async_cache_conformance` whether a cache does, `coatcheck.testing.integration_conformance` whether an
integration with a framework does; `coatcheck.testing.machine` compares `Sessions` over a store with a plain model.
Coroutines run with the plugin of your choice: mark your subclass with `@pytest.mark.anyio` or its like.
"""

from coatcheck.testing.async_faulty import AsyncFaultyStore
from coatcheck.testing.async_memory import AsyncMemoryStore
from coatcheck.testing.async_memory_cache import AsyncMemoryCache
from coatcheck.testing.clock import ManualClock
from coatcheck.testing.faulty import FaultyStore
from coatcheck.testing.memory import MemoryStore
from coatcheck.testing.memory_cache import MemoryCache

__all__ = [
    "AsyncFaultyStore",
    "AsyncMemoryCache",
    "AsyncMemoryStore",
    "FaultyStore",
    "ManualClock",
    "MemoryCache",
    "MemoryStore",
]

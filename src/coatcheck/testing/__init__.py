"""What others test their applications and stores with.

`ManualClock` moves only by hand. `AsyncMemoryStore` and `MemoryStore` keep sessions in a dictionary.
`AsyncFaultyStore` and `FaultyStore` put faults before any store. They need nothing but coatcheck.

Two modules need more, `pip install coatcheck[testing]`: `coatcheck.testing.conformance` and
`coatcheck.testing.async_conformance` say whether a store keeps its promises, `coatcheck.testing.machine` compares
`Sessions` over a store with a plain model. Coroutines run with the plugin of your choice: mark your subclass with
`@pytest.mark.anyio` or its like.
"""

from coatcheck.testing.async_faulty import AsyncFaultyStore
from coatcheck.testing.async_memory import AsyncMemoryStore
from coatcheck.testing.clock import ManualClock
from coatcheck.testing.faulty import FaultyStore
from coatcheck.testing.memory import MemoryStore

__all__ = ["AsyncFaultyStore", "AsyncMemoryStore", "FaultyStore", "ManualClock", "MemoryStore"]

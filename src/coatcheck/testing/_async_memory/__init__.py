"""The parts of the store in memory, for asyncio: each is a class on top of another."""

# Generated from testing/_async_memory/__init__.py by tools/generate_sync.py: edit that, run `make generate`.
"""The parts of the store in memory, for threads: each is a class on top of another."""

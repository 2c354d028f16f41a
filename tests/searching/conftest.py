"""Sessions to be searched."""

from tests.on_a_file import clock, events, keys, path, sessions

__all__ = ["clock", "events", "keys", "path", "sessions"]

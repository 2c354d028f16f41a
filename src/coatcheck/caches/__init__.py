"""The shared caches: places between the workers where copies of sessions lie, as hints that nobody has to believe."""

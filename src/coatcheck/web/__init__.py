"""What every web framework has in common: one request's session, for asyncio and for threads, and the answers to it."""

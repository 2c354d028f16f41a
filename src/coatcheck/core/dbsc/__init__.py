"""Device Bound Session Credentials: a session belongs to a key that never leaves the user's device.

The decisions and the wire format, by the W3C draft of 2026-02-17 and by what Chromium 156 does. Whoever verifies
signatures is handed in (`proofs.Verifier`): the standard library cannot.
"""

"""What devices and API clients sign: JWTs in compact form and public keys, read within bounds and before any trust.

Whoever verifies signatures is handed in (`jwts.Verifier`): the standard library cannot.
"""

"""Demonstrating Proof of Possession (RFC 9449): a token that only the client which has a key can use.

The client signs each request; a stolen token is worthless without the key, and a stolen proof is good for one request,
to one address, for a minute, and only before it has been used. Whoever verifies signatures and remembers what was used
is handed in.
"""

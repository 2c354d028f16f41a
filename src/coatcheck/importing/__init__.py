"""Sessions of other libraries, read from their stores and brought into ours, so that nobody has to sign in again.

A source reads, and marks what was taken; a reader for each library understands what it wrote; `importer` brings the two
together. Nothing is ever unpickled (rule S1), and what was taken once is never taken again: a session that has ended
here does not come back (I3).
"""

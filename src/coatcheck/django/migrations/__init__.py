"""The tables: each migration brings them to its release's form."""

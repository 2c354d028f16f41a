"""Authorities somewhere else, whose answers we cache: Better Auth, Appwrite, OAuth2 introspection.

Each has a module of its own, which needs `coatcheck[providers]`; none is imported before it is asked for.
"""

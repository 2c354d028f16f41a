"""The session engine: `SESSION_ENGINE = "coatcheck.django.sessions"`."""

from __future__ import annotations

from coatcheck.django.async_engine import AsyncEngine
from coatcheck.django.engine import Engine

__all__ = ["SessionStore"]


class SessionStore(Engine, AsyncEngine):
    """`request.session`: what Django's own engines do, on sessions that are validated from memory.

    The methods without an "a" use `Sessions` and join Django's transactions; those with one use `AsyncSessions`.
    """

"""Servers of a test's own."""

from __future__ import annotations

from tests.servers.fixtures import binary, server

__all__ = ["binary", "server"]

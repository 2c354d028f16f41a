"""The steps of the schema: each store in SQL has a file of its own for every one of them."""

from __future__ import annotations

from typing import Final

MIGRATIONS: Final = (
    "0001_sessions",
    "0002_retired_tokens",
    "0003_devices",
    "0004_impersonations",
    "0005_kinds",
    "0006_audit",
    "0007_spent",
    "0008_workers",
    "0009_kinds_apart",
)
"""In their order; step n brings the schema to version n."""

"""What is public is what is meant to be."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

PUBLIC = {
    "coatcheck": {
        "ApiToken",
        "ApiTokens",
        "AsyncApiTokens",
        "AsyncAuditTrail",
        "AsyncCache",
        "AsyncImpersonation",
        "AsyncFleetNumbers",
        "AsyncPendingSignIns",
        "AsyncProviderSessions",
        "AsyncSessionSearch",
        "AsyncSessions",
        "AsyncTickets",
        "AsyncTokenPairs",
        "AuditEntry",
        "AuditPage",
        "AuditTrail",
        "Cache",
        "CacheSettings",
        "CoatcheckError",
        "ConfigurationError",
        "CookieSettings",
        "Created",
        "CrossOriginPolicy",
        "DataError",
        "DPoP",
        "DeviceBinding",
        "Event",
        "Filter",
        "FleetNumbers",
        "FleetReading",
        "FormTokenRejected",
        "FormTokens",
        "Impersonation",
        "ImpersonationRefused",
        "ImportedTokens",
        "LimitReached",
        "NewApiToken",
        "NotSignedIn",
        "PendingSignIn",
        "PendingSignIns",
        "Policy",
        "ProviderOptions",
        "ServeOptions",
        "ProviderSessions",
        "ProviderSettings",
        "Rotated",
        "SchemaError",
        "Session",
        "SessionPage",
        "SessionSearch",
        "Sessions",
        "Settings",
        "SharedCacheSettings",
        "StoreOptions",
        "Ticket",
        "Tickets",
        "Token",
        "TokenHash",
        "TokenPair",
        "TokenPairs",
        "TransactionRequired",
        "Unavailable",
        "User",
        "UsersTable",
        "ValueSettings",
        "acting",
        "lifetimes",
    },
    "coatcheck.testing": {
        "AsyncFaultyStore",
        "AsyncMemoryCache",
        "AsyncMemoryStore",
        "FaultyStore",
        "ManualClock",
        "MemoryCache",
        "MemoryStore",
    },
}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_names_are_exactly_these(name: str) -> None:
    """A name is added or taken away on purpose: here, and in the changelog."""
    module = importlib.import_module(name)
    assert set(module.__all__) == PUBLIC[name]
    assert list(module.__all__) == sorted(module.__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_nothing_else_looks_public(name: str) -> None:
    """Whatever else a module's namespace shows is a part of the package, not a name of its own."""
    module = importlib.import_module(name)
    others = {key for key in vars(module) if not key.startswith("_")} - PUBLIC[name]
    assert all(isinstance(getattr(module, key), ModuleType) for key in others)


@pytest.mark.parametrize("name", ["coatcheck", "coatcheck.testing"])
def test_importing_it_needs_nothing_but_the_standard_library(name: str) -> None:
    """A framework, pytest or Hypothesis is imported by those modules that are about it."""
    foreign = ["anyio", "fastapi", "hypothesis", "pydantic", "pytest", "starlette"]
    looks = f"import sys, {name}; print([m for m in {foreign} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", looks], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

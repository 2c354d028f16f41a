"""The command about cached values: invalidate. Keys are never printed, because they may tell about somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.cli.output import counted, printable
from coatcheck.cli.target import opened_cache
from coatcheck.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse


def invalidate(arguments: argparse.Namespace) -> int:
    """Outdate values by key, a namespace, or all of a tenant; nobody knows how many there are of the last two."""
    name, tenant, keys = arguments.namespace, arguments.tenant, arguments.keys
    _check(name, tenant, keys)
    with opened_cache(arguments) as cache:
        if keys:
            cache.namespace(name, tenant=tenant).invalidate(*keys)
        elif name is not None:
            cache.invalidate_namespace(name, tenant=tenant)
        else:
            cache.invalidate_tenant(tenant)
    print(f"invalidated {_what(name, tenant, len(keys))}")
    return 0


def _check(name: str | None, tenant: str | None, keys: list[str]) -> None:
    """Refuse what names nothing, or too little.

    Raises:
        ConfigurationError: The message says what to give.
    """
    if tenant == "":
        raise ConfigurationError("tenant='' is not possible: name the tenant, or leave it out")
    if name is None and keys:
        raise ConfigurationError("keys alone are not possible: say of which namespace (of the cache itself: '')")
    if name is None and tenant is None:
        raise ConfigurationError("nothing is named: give --namespace, with keys or without, or --tenant")


def _what(name: str | None, tenant: str | None, count: int) -> str:
    whose = "" if tenant is None else f" of tenant {printable(tenant)!r}"
    if name is None:
        return f"all values{whose}"
    values = counted(count, "key") if count else "all values"
    everybody = "" if count or tenant is not None else ", of every tenant"
    return f"{values} in namespace {printable(name)!r}{whose}{everybody}"

"""From a URL to the shared cache it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import timedelta

    from coatcheck.caches.async_protocol import AsyncSharedCache
    from coatcheck.caches.protocol import SharedCache

_SCHEMES = ("valkey", "valkeys", "redis", "rediss")


def async_cache_from_url(url: str, *, timeout: timedelta) -> AsyncSharedCache:
    """Return the asyncio cache that a URL such as `valkey://host:6379/0` names.

    Raises:
        ConfigurationError: The URL is wrong, or the redis package is missing.
    """
    _check(url)
    from coatcheck.caches.valkey import AsyncValkeyCache  # noqa: PLC0415 - it needs the extra

    return AsyncValkeyCache(url, timeout=timeout)


def cache_from_url(url: str, *, timeout: timedelta) -> SharedCache:
    """Return the cache that a URL such as `valkey://host:6379/0` names.

    Raises:
        ConfigurationError: The URL is wrong, or the redis package is missing.
    """
    _check(url)
    from coatcheck.caches.valkey import ValkeyCache  # noqa: PLC0415 - it needs the extra

    return ValkeyCache(url, timeout=timeout)


def _check(url: str) -> None:
    """Refuse another scheme, and an installation without what ours need."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower().partition("+")[0] not in _SCHEMES:
        # The URL may hold a password: only the scheme is shown.
        shown = f"with scheme {scheme!r}" if separator else "without a scheme"
        msg = f"shared cache URL {shown} is not possible: use valkey://host:6379/0, or valkeys:// with TLS"
        raise ConfigurationError(msg)
    try:
        import redis  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]
    except ModuleNotFoundError as error:
        msg = 'a shared cache in Valkey or Redis needs the redis package: pip install "coatcheck[valkey]"'
        raise ConfigurationError(msg) from error

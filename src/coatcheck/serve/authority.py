"""Whose sessions the gate asks about: our own, or those of a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck.web.settings import WebSettings

if TYPE_CHECKING:
    from coatcheck.configuration import Settings
    from coatcheck.configuration.serve_options import ServeOptions
    from coatcheck.web.async_authority import Authority


def sessions_of(settings: Settings, **more: Any) -> Authority:
    """Return the sessions, wired as configured.

    Args:
        settings: The settings.
        **more: What only code can say, as `Settings.async_sessions` takes it; for tests.

    Raises:
        ConfigurationError: Something is wrong with them, or a driver is not installed.
    """
    return settings.async_sessions(**more) if settings.provider is None else settings.async_provider_sessions(**more)


def web_settings(options: ServeOptions) -> WebSettings:
    """Return how sessions travel over HTTP."""
    return WebSettings(cookie=options.cookie_settings(), cross_origin=options.cross_origin(), bearer=options.bearer)

"""Where a middleware leaves a request's context for the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


def attached(request: Mapping[Any, Any], key: object, how: str, *, by: str = "SessionMiddleware") -> Any:
    """Return what a middleware of ours has left in a request.

    Args:
        request: The request, or what belongs to it, as a mapping.
        key: Where it was left.
        how: How the middleware is put in front of an application, as code.
        by: Its name.

    Raises:
        ConfigurationError: There is none: the middleware is missing.
    """
    try:
        return request[key]
    except KeyError:
        msg = f"no {by} has seen this request; {how}"
        raise ConfigurationError(msg) from None

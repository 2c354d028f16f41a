"""The administrator's console of the gate, where the settings have one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette

from coatcheck._async.sessions import AsyncSessions
from coatcheck.console import Console, console_routes
from coatcheck.core.refusals import refuse, refuse_secret

if TYPE_CHECKING:
    from coatcheck.asgi.types import App
    from coatcheck.configuration import ConsoleOptions
    from coatcheck.console.backing import Numbers
    from coatcheck.web.async_authority import Authority

_TAKEN: Final = ("/auth", "/api", "/internal", "/.well-known", "/healthz", "/readyz", "/metrics")


def console_of(sessions: Authority, options: ConsoleOptions | None, numbers: Numbers | None = None) -> App | None:
    """Return the console's application; None where the settings have none.

    Args:
        sessions: The sessions that it is about.
        options: The settings of the console.
        numbers: The numbers of all workers, where they tell them.

    Raises:
        ConfigurationError: Nobody could use it, the store cannot search, or a provider issues the sessions.
    """
    if options is None:
        return None
    if not isinstance(sessions, AsyncSessions):
        refuse_secret("console", "is not possible with a provider", "end its sessions there, and remove [console]")
    if any(f"{options.path}/".startswith(f"{taken}/") for taken in _TAKEN):
        refuse("path", options.path, "the gate answers there itself; use another, such as '/console'", of="console")
    return Starlette(routes=console_routes(Console(sessions, options, numbers=numbers)))

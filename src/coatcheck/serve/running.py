"""Runs the gate on granian or uvicorn, with as many worker processes as are wanted."""

from __future__ import annotations

import asyncio
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from coatcheck.errors import ConfigurationError
from coatcheck.serve.authority import sessions_of
from coatcheck.serve.console import console_of
from coatcheck.serve.tokens import identity_tokens

if TYPE_CHECKING:
    from coatcheck.configuration import Settings

EMBEDDED: Final = "sqlite:///coatcheck.db"
"""The store when nobody names one: a file in the folder that the gate is started in."""

SERVERS: Final = ("granian", "uvicorn")
"""What can run it, the first choice first."""

_FACTORY: Final = "coatcheck.serve.application:from_environment"
_GRACE: Final = 10
"""Seconds that requests under way have when the gate is stopped."""


def server_for(wanted: str | None) -> str:
    """Return which server runs the gate.

    Raises:
        ConfigurationError: It is not installed, or none is, or the API's own parts are not.
    """
    lacking = [name for name in ("fastapi",) if find_spec(name) is None]
    found = [name for name in SERVERS if find_spec(name) is not None and wanted in {None, name}]
    if lacking or not found:
        names = ", ".join([*lacking, *([] if found else [wanted or " or ".join(SERVERS)])])
        msg = f"serve needs {names}: pip install 'coatcheck[serve]'"
        if wanted == "uvicorn":
            msg += " uvicorn"
        raise ConfigurationError(msg)
    return found[0]


def serve(settings: Settings, *, server: str, host: str, port: int, workers: int) -> int:
    """Serve until it is stopped; returns the exit code.

    The workers read the settings from the environment by themselves: whatever was typed has to stand there.

    Args:
        settings: The settings, to fail here and once if they are wrong.
        server: "granian" or "uvicorn".
        host: The address to listen on.
        port: The port.
        workers: How many processes answer.

    Raises:
        ConfigurationError: Something is wrong with the settings.
        SchemaError: The tables are missing, older or newer.
        Unavailable: The store does not answer.
    """
    asyncio.run(_opened_once(settings))
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    _say(f"coatcheck serves on http://{place}: only proxies and back ends may reach it")
    run = {"granian": _on_granian, "uvicorn": _on_uvicorn}[server]
    return run(host, port, workers)


async def _opened_once(settings: Settings) -> None:
    """Read the keys, open the sessions and close them again: a worker that cannot would be started over and over."""
    identity_tokens(settings.serve)
    sessions = sessions_of(settings)
    console_of(sessions, settings.console)
    try:
        await sessions.open()
    finally:
        await sessions.aclose()


def _on_uvicorn(host: str, port: int, workers: int) -> int:
    import uvicorn  # noqa: PLC0415 - one of two

    # The headers of proxies are read by us: what uvicorn makes of them would replace what they say.
    settings: dict[str, Any] = {
        "factory": True,
        "lifespan": "on",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
        "log_level": "warning",
        "timeout_graceful_shutdown": _GRACE,
    }
    try:
        uvicorn.run(_FACTORY, host=host, port=port, workers=workers, **settings)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 1
    return 0


def _on_granian(host: str, port: int, workers: int) -> int:
    from granian import Granian  # noqa: PLC0415 - one of two
    from granian.constants import Interfaces  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415

    Granian(
        _FACTORY,
        address=host,
        port=port,
        workers=workers,
        interface=Interfaces.ASGI,
        factory=True,
        websockets=False,
        log_level=LogLevels.warning,
        workers_kill_timeout=_GRACE,
    ).serve()
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()

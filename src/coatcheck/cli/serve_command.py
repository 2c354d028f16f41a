"""The command that runs the gate."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from coatcheck.cli.target import settings_of
from coatcheck.configuration.sources import FILE_VARIABLE, variable_of

if TYPE_CHECKING:
    import argparse

SERVERS: Final = ("granian", "uvicorn")
PROXIES: Final = ("nginx", "traefik", "caddy", "envoy")


def serve(arguments: argparse.Namespace) -> int:
    """Serve until it is stopped, or print what a proxy has to be told."""
    from coatcheck.serve.running import EMBEDDED, server_for
    from coatcheck.serve.running import serve as run

    if not (arguments.store or arguments.config):
        arguments.store = EMBEDDED
    settings, _ = settings_of(arguments)
    if arguments.print_config:
        from coatcheck.serve.proxies import configuration

        print(configuration(arguments.print_config, settings.serve, arguments.host, arguments.port), end="")
        return 0
    server = server_for(arguments.server)
    _hand_on(arguments)
    return run(settings, server=server, host=arguments.host, port=arguments.port, workers=arguments.workers)


def _hand_on(arguments: argparse.Namespace) -> None:
    """Put what was typed where the workers look for it: they are processes of their own."""
    typed = {
        FILE_VARIABLE: arguments.config,
        variable_of("store.url"): arguments.store,
        variable_of("users.table"): arguments.users_table,
    }
    os.environ.update({name: str(value) for name, value in typed.items() if value})

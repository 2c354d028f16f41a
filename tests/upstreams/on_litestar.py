"""A plugin for pytest: where the tests add Litestar's middleware for sessions, the application gets our plugin.

It brings the fixtures they ask for, instead of those of their conftest, which start servers with Docker.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

import litestar.testing
import pytest
from litestar.middleware.session.server_side import ServerSideSessionConfig

from coatcheck import AsyncSessions, CookieSettings, CrossOriginPolicy
from coatcheck.litestar import CoatcheckPlugin

_folder = os.environ["FOLDER"]
_numbers = itertools.count()
_theirs = litestar.testing.create_test_client


class Translated(ServerSideSessionConfig):
    """Their settings; in the list of middleware it stands for itself."""

    @property
    def middleware(self) -> Any:
        return self


def create_test_client(route_handlers: Any = None, *, middleware: Any = (), plugins: Any = (), **settings: Any) -> Any:
    found = [each for each in middleware if isinstance(each, Translated)]
    rest = [each for each in middleware if not isinstance(each, Translated)]
    for config in found:
        plugins = [*plugins, _plugin(config)]
    return _theirs(route_handlers, middleware=rest, plugins=plugins, **settings)


def _plugin(config: Translated) -> CoatcheckPlugin:
    return CoatcheckPlugin(
        AsyncSessions(f"sqlite:///{_folder}/{next(_numbers)}.db"),
        cookie=CookieSettings(name=config.key, secure=config.secure),
        # Their client says neither Sec-Fetch-Site nor Origin, which no browser does.
        cross_origin=CrossOriginPolicy(allow_missing=True),
    )


@pytest.fixture
def session_backend_config() -> ServerSideSessionConfig:
    return Translated()


@pytest.fixture
def session_backend_config_memory() -> ServerSideSessionConfig:
    return Translated()


# At once: the tests import it by its name.
litestar.testing.create_test_client = create_test_client

"""The site, called as a WSGI server does and as an ASGI server does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.django import site as sites
from tests.django.site import DjangoSite, SiteOnValkey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.valkey import Valkey


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Leave no connection and no thread behind."""
    from django.db import connections

    from coatcheck.django.running import running

    yield
    running.reset()
    connections.close_all()


@pytest.fixture(params=["wsgi", "asgi"])
def served(request: pytest.FixtureRequest) -> str:
    """How the site is called; below /a its views are coroutines."""
    name: str = request.param
    return name


@pytest.fixture
def sqlite_site(served: str, valkey: Valkey) -> Iterator[DjangoSite]:
    """The site, with its sessions in its own database."""
    sites.prepared()
    with sites.server(served) as server:
        yield DjangoSite(server, sites.PREFIXES[served], valkey)


@pytest.fixture
def looping_site(valkey: Valkey) -> Iterator[DjangoSite]:
    """The same, with coroutines for views."""
    sites.prepared()
    with sites.server("asgi") as server:
        yield DjangoSite(server, sites.PREFIXES["asgi"], valkey)


@pytest.fixture
def valkey_site(served: str, valkey: Valkey) -> Iterator[SiteOnValkey]:
    """The site, with its sessions on a server."""
    from django.test import override_settings

    sites.prepared()
    valkey.empty()
    settings = {"store": {"url": valkey.url(), "timeout": "1s"}, "cache": {"lease": "100ms"}}
    with override_settings(COATCHECK=settings), sites.server(served) as server:
        yield SiteOnValkey(server, sites.PREFIXES[served], valkey)

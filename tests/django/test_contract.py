"""What every integration keeps, kept by Django's: under WSGI, and natively under ASGI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck.testing.integration_conformance import (
    IntegrationConformance,
    OutageConformance,
    SilentStreamConformance,
    StreamConformance,
)

if TYPE_CHECKING:
    from tests.django.site import DjangoSite, SiteOnValkey


class TestOnSQLite(IntegrationConformance, StreamConformance):
    """In the site's own database, which cannot be away."""

    @pytest.fixture
    def site(self, sqlite_site: DjangoSite) -> DjangoSite:
        return sqlite_site


class TestInEventLoops(SilentStreamConformance):
    """Where a view that waits can be interrupted."""

    @pytest.fixture
    def site(self, looping_site: DjangoSite) -> DjangoSite:
        return looping_site


class TestOnValkey(IntegrationConformance, OutageConformance):
    """On a server."""

    @pytest.fixture
    def site(self, valkey_site: SiteOnValkey) -> SiteOnValkey:
        return valkey_site

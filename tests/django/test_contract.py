"""What every integration keeps, kept by Django's: under WSGI, and natively under ASGI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integrations.contract import IntegrationContract, OutageContract

if TYPE_CHECKING:
    from tests.django.site import DjangoSite, SiteOnValkey


class TestOnSQLite(IntegrationContract):
    """In the site's own database, which cannot be away."""

    @pytest.fixture
    def site(self, sqlite_site: DjangoSite) -> DjangoSite:
        return sqlite_site


class TestOnValkey(IntegrationContract, OutageContract):
    """On a server."""

    @pytest.fixture
    def site(self, valkey_site: SiteOnValkey) -> SiteOnValkey:
        return valkey_site

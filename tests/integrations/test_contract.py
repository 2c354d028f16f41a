"""What every integration keeps, kept by those for Starlette (and with it FastAPI), Litestar and Flask (and WSGI)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integrations.contract import IntegrationContract, OutageContract
from tests.integrations.sites import FlaskSite, LitestarSite, SQLiteSite, StarletteSite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=[StarletteSite, LitestarSite, FlaskSite], ids=["starlette", "litestar", "flask"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SQLiteSite]:
    site: SQLiteSite = request.param(tmp_path)
    yield site
    site.close()


class TestContract(IntegrationContract, OutageContract):
    """All of it."""

"""What every integration keeps, kept by ours, and by frameworks behind the plain middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck.testing.integration_conformance import (
    IntegrationConformance,
    OutageConformance,
    SilentStreamConformance,
    SocketConformance,
    StreamConformance,
)
from tests.integrations.any_framework import FalconSite, QuartSite
from tests.integrations.loops import LitestarSite, StarletteSite
from tests.integrations.on_aiohttp import AiohttpSite
from tests.integrations.threads import FlaskSite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integrations.sites import SQLiteSite

LOOPS = {"starlette": StarletteSite, "litestar": LitestarSite, "aiohttp": AiohttpSite, "quart": QuartSite}
THREADS = {"flask": FlaskSite, "falcon": FalconSite}


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SQLiteSite]:
    site: SQLiteSite = request.param(tmp_path)
    yield site
    site.close()


@pytest.mark.parametrize("site", LOOPS.values(), ids=LOOPS, indirect=True)
class TestInLoops(
    IntegrationConformance, OutageConformance, StreamConformance, SilentStreamConformance, SocketConformance
):
    """All of it."""


@pytest.mark.parametrize("site", THREADS.values(), ids=THREADS, indirect=True)
class TestInThreads(IntegrationConformance, OutageConformance, StreamConformance):
    """All that threads can do: they have no WebSockets, and one that waits cannot be interrupted."""

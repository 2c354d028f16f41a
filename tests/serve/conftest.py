"""What the tests of the gate share: a plain application, and one gate for those that do not stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.serve.plain import PlainApplication
from tests.serve.proxied import KEY, OLD_KEY, SERVICE_KEY
from tests.servers.gate import ServedGate

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def application() -> Iterator[PlainApplication]:
    with PlainApplication() as application:
        yield application


@pytest.fixture(scope="session")
def gate() -> Iterator[ServedGate]:
    """A gate with two workers, as everybody starts it."""
    settings = {
        "SERVE_SIGN_IN_URL": "/login",
        "SERVE_SERVICE_KEYS": SERVICE_KEY,
        "SERVE_API_TOKENS": "true",
        "KEYS": f"{KEY},{OLD_KEY}",
    }
    with ServedGate(settings, workers=2) as gate:
        yield gate

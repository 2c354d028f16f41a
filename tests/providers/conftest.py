"""An OpenID provider for tests that leave it as it is, and one of both sides to ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.oidc_provider import Browser, OIDCProvider
from tests.sides import kind

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["kind"]


@pytest.fixture(scope="session")
def oidc() -> Iterator[OIDCProvider]:
    """Run a provider that no test breaks."""
    with OIDCProvider({"web": "http://127.0.0.1:9/nobody"}) as provider:
        yield provider


@pytest.fixture
def browser(oidc: OIDCProvider) -> Iterator[Browser]:
    with Browser(oidc) as somebody:
        yield somebody

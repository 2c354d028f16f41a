"""One test for both sides: a provider for asyncio behind the face of the one for threads."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from coatcheck.providers.base import HTTPSettings
from coatcheck.providers.introspection import AsyncIntrospection, Introspection
from tests.servers.oidc_provider import API, SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.oidc_provider import OIDCProvider

PATIENT = HTTPSettings(timeout=timedelta(seconds=30))
"""For a loaded machine: none of these tests is about how quick an answer is."""


class Asking:
    """Whoever asks, on either side; what has to be awaited is."""

    def __init__(self, asked: Any, runner: asyncio.Runner) -> None:
        self.asked = asked
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.asked, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = found(*args, **kwargs)
            return self._runner.run(_awaited(answer)) if inspect.isawaitable(answer) else answer

        return call


async def _awaited(answer: Any) -> Any:
    return await answer


@contextmanager
def asking(made: Any) -> Iterator[Asking]:
    """Close what a test has made."""
    with asyncio.Runner() as runner:
        it = Asking(made, runner)
        try:
            yield it
        finally:
            it.aclose() if hasattr(made, "aclose") else it.close()


def introspection(kind: str, provider: OIDCProvider, **settings: Any) -> Any:
    """Return the client of one kind for a provider, as the API of these tests would have it."""
    usual = {"client_id": "api", "client_secret": SECRET, "issuer": provider.issuer, "audience": API}
    cls = AsyncIntrospection if kind == "asyncio" else Introspection
    return cls(settings.pop("url", provider.introspection), **{**usual, "settings": PATIENT, **settings})

"""Appwrite is a provider to type checkers too, on either side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck import AsyncProviderSessions, CookieSettings, ProviderSessions
from coatcheck.providers.appwrite import Appwrite, AsyncAppwrite

if TYPE_CHECKING:
    import httpx2

    from coatcheck.providers.async_protocol import AsyncProvider
    from coatcheck.providers.base import HTTPSettings
    from coatcheck.providers.protocol import Provider


def a_provider_for_asyncio(client: httpx2.AsyncClient, settings: HTTPSettings) -> AsyncProviderSessions:
    provider: AsyncProvider = AsyncAppwrite(
        "https://cloud.appwrite.io/v1", project="shop", cookie="own", bearer=False, settings=settings, client=client
    )
    return AsyncProviderSessions(provider, "sqlite:///log.db")


def a_provider_for_threads(client: httpx2.Client, settings: HTTPSettings) -> ProviderSessions:
    provider: Provider = Appwrite(
        "https://cloud.appwrite.io/v1",
        project="shop",
        cookie=CookieSettings(name="own"),
        settings=settings,
        client=client,
    )
    return ProviderSessions(provider, "sqlite:///log.db")


def the_sides_are_not_mixed(client: httpx2.Client) -> None:
    AsyncAppwrite("https://cloud.appwrite.io/v1", project="shop", client=client)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Appwrite("https://cloud.appwrite.io/v1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

"""How a question gets to a provider, for asyncio. The one for threads is generated from it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from coatcheck.core.refusals import refuse

if TYPE_CHECKING:
    import httpx2

    from coatcheck.providers.base import Question, Reply


@runtime_checkable
class AsyncExchange(Protocol):
    """Brings the replies to questions: over sockets, or by whatever else there is.

    It follows no redirect, for that would carry a token elsewhere, and keeps no cookie for the next question.
    """

    async def exchange(self, question: Question) -> Reply:
        """Send a question once, and return its reply.

        Raises:
            NoReply: There is none, or it is longer than `LARGEST_REPLY`.
            TimeoutError: It took longer than the question says.
        """
        ...

    async def aclose(self) -> None:
        """Close its connections; whoever asks again opens others."""
        ...

    def forked(self) -> None:
        """Drop what belongs to the parent process."""
        ...


def exchange_by(client: httpx2.AsyncClient | AsyncExchange | None, *, connections: int) -> AsyncExchange:
    """Return what asks by this client.

    Args:
        client: The application's own, or one that is an exchange itself; None for connections of our own.
        connections: How many of those there are at most.

    Raises:
        ConfigurationError: There is none, and no library to make one of.
    """
    if isinstance(client, AsyncExchange):
        return client
    try:
        sockets = import_module("coatcheck.providers.async_sockets")
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in {"httpx2", "httpcore2", "ssl", "_ssl"}:
            raise
        fix = f"{error.name} is missing: pip install 'coatcheck[providers]'; a Worker hands in client=Fetch(env.AUTH)"
        refuse("client", client, fix, of="provider")
    made: AsyncExchange = sockets.AsyncSockets(client, connections=connections)
    return made

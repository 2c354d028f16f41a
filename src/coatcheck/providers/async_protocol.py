"""The border between the shells and the providers: what a provider promises.

It answers one question: who is this token, until when, and when must I ask again? A provider that cannot answer, or
answers nonsense, raises `Unavailable`; it never says "not signed in" instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import timedelta

    from coatcheck.core.identities import ProviderAnswer


class AsyncProvider(Protocol):
    """An authority somewhere else, for asyncio.

    `presented` is what the client presents: the value of a cookie, or a bearer token; with "Bearer " before it where
    the provider tells the two apart.
    """

    @property
    def name(self) -> str:
        """What it is called in logs and health checks, as "better-auth"."""
        ...

    @property
    def conditions(self) -> str:
        """All that its answers depend on besides the token, with no secret in it; where it is comes first.

        Copies of two providers whose conditions differ are never mixed: what one API accepts, another may not.
        """
        ...

    @property
    def cookies(self) -> tuple[str, ...]:
        """The names of the cookies that carry tokens, the most trusted first; none if the application names one."""
        ...

    @property
    def bearer(self) -> bool | None:
        """Whether bearer tokens are read; None if the application says so."""
        ...

    @property
    def marks_bearer(self) -> bool:
        """Whether a bearer token is something else than the same text in a cookie."""
        ...

    @property
    def revalidate_after(self) -> timedelta:
        """How long an answer may be served, where the application does not say; zero for not at all."""
        ...

    @property
    def available(self) -> bool:
        """Whether it has answered lately, for health checks; asks nobody."""
        ...

    def well_formed(self, presented: bytes) -> bool:
        """Tell whether this can be a token at all, before anybody is asked (rule T7)."""
        ...

    async def open(self) -> None:
        """Connect; raises ConfigurationError when it can never work. A provider that is away is no reason to fail."""
        ...

    async def aclose(self) -> None:
        """Close every connection this process has made."""
        ...

    async def identify(self, presented: bytes) -> ProviderAnswer:
        """Say whose session a well-formed token is.

        Raises:
            Unavailable: The provider did not answer, or not so that it could be understood.
        """
        ...

    async def sign_out(self, presented: bytes) -> tuple[bytes, ...]:
        """End the session of a token at the provider, and return only when it has ended there.

        Returns:
            Values of Set-Cookie for the client.

        Raises:
            Unavailable: Nobody knows whether it has ended.
        """
        ...

    def forked(self) -> None:
        """Drop what belongs to the parent process."""
        ...

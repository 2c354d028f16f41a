"""A provider that says what a test tells it to, for what is the same whoever the provider is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from coatcheck import NotSignedIn, Unavailable, User
from coatcheck.core.identities import ProviderAnswer, identity
from coatcheck.testing.clock import START

if TYPE_CHECKING:
    from coatcheck.core.session import Record

SECURE_COOKIE = "__Secure-stub.session"
COOKIE = "stub.session"
ADA = User(
    "7",
    name="Ada",
    email="ada@example.org",
    role="editor",
    attributes={"language": "en", "internal": "not for show"},
    email_verified=True,
    labels=("gold",),
    created_at=datetime(2024, 2, 29, 12, tzinfo=UTC),
    updated_at=datetime(2025, 11, 30, 18, 15, tzinfo=UTC),
)


def session_of(user: User, session_id: str = "stub-1") -> Record:
    """Return a session of a user that ends in a day."""
    return identity(session_id, user, created_at=START, ends_at=START + timedelta(days=1))


class AsyncStubProvider:
    """Knows the sessions that stand in `sessions`, by their tokens."""

    name = "stub"
    marks_bearer = False

    def __init__(self, **features: Any) -> None:
        """Take what differs from a provider that has cookies of its own and reads bearer tokens too."""
        self.conditions: str = features.get("conditions", "https://auth.example.org")
        self.cookies: tuple[str, ...] = features.get("cookies", (SECURE_COOKIE, COOKIE))
        self.bearer: bool | None = features.get("bearer", True)
        self.revalidate_after: timedelta = features.get("revalidate_after", timedelta(minutes=5))
        self.available = True
        self.sessions: dict[bytes, Record] = {}
        self.asked = 0

    def well_formed(self, presented: bytes) -> bool:
        return presented.startswith(b"stub-token-")

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    def forked(self) -> None: ...

    async def identify(self, presented: bytes) -> ProviderAnswer:
        return self._identified(presented)

    async def sign_out(self, presented: bytes) -> tuple[bytes, ...]:
        return self._signed_out(presented)

    def _identified(self, presented: bytes) -> ProviderAnswer:
        self._must_answer()
        self.asked += 1
        return ProviderAnswer(self.sessions.get(presented, NotSignedIn.UNKNOWN))

    def _signed_out(self, presented: bytes) -> tuple[bytes, ...]:
        self._must_answer()
        self.sessions.pop(presented, None)
        return (f"{SECURE_COOKIE}=; Max-Age=0; Path=/; Secure".encode(),)

    def _must_answer(self) -> None:
        if not self.available:
            raise Unavailable("stub did not answer")


class StubProvider(AsyncStubProvider):
    """The same for threads."""

    def open(self) -> None: ...  # type: ignore[override]

    def close(self) -> None: ...

    def identify(self, presented: bytes) -> ProviderAnswer:  # type: ignore[override]
        return self._identified(presented)

    def sign_out(self, presented: bytes) -> tuple[bytes, ...]:  # type: ignore[override]
        return self._signed_out(presented)

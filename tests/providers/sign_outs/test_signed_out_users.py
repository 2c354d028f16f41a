"""A user who was signed out everywhere: what began before is refused, and what begins later is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from coatcheck import AsyncProviderSessions, NotSignedIn, ProviderSettings, User
from coatcheck.core.identities import ProviderAnswer, identity

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

OUT = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Says:
    """Stands for a provider: says that every token is somebody's session, whose times are in the token."""

    name = "stand-in"
    conditions = ""
    cookies = ("session",)
    bearer = False
    marks_bearer = False
    revalidate_after = timedelta(minutes=5)
    available = True

    def __init__(self) -> None:
        self.asked = 0

    def well_formed(self, presented: bytes) -> bool:
        return bool(presented)

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    def forked(self) -> None: ...

    async def sign_out(self, presented: bytes) -> tuple[bytes, ...]:
        return ()

    async def identify(self, presented: bytes) -> ProviderAnswer:
        self.asked += 1
        user, created, authenticated = presented.decode().split()
        proved = None if authenticated == "-" else OUT + SECOND * float(authenticated)
        record = identity(
            presented.decode(),
            User(user),
            created_at=OUT + SECOND * float(created),
            ends_at=datetime.now(UTC) + timedelta(hours=1),
            authenticated_at=proved,
        )
        return ProviderAnswer(record)


@pytest.mark.parametrize(
    ("token", "refused"),
    [
        (b"ada -1 -", True),
        (b"ada 0 -", True),
        (b"ada 0.9 -", True),
        (b"ada 1 -", False),
        (b"ada 60 -60", True),  # a token that was renewed later, for a session from before
        (b"ada 60 30", False),
        (b"eve -1 -", False),
    ],
    ids=str,
)
async def test_I3_A5_a_session_is_judged_by_when_it_began(tmp_path: Path, token: bytes, *, refused: bool) -> None:
    """Whether a worker has a copy of it or not, and in every other worker too."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    settings = ProviderSettings(refused_for=timedelta(0))
    first = AsyncProviderSessions(Says(), url, settings=settings)
    second = AsyncProviderSessions(Says(), url, settings=settings)
    third = AsyncProviderSessions(Says(), url, settings=settings)
    async with first, second, third:
        assert await second.get(token)
        assert await first.told(("provider", "1"), signed_out=[("ada", OUT + SECOND / 2)])
        for worker in (first, second, third):
            for _ in range(2):
                answer = await worker.get(token)
                assert (answer is NotSignedIn.UNKNOWN) is refused
        assert not await third.told(("provider", "1"), signed_out=[("eve", OUT)])
        assert await third.told(("another", "1"), signed_out=[("eve", OUT)])
        if token.startswith(b"eve"):
            assert await second.get(token) is NotSignedIn.UNKNOWN

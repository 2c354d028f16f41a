"""Signing out while a parallel request rotates the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck import AsyncSessions, Rotated
from coatcheck.asgi import RequestContext
from coatcheck.web.settings import WebSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.anyio
async def test_L7_signing_out_ends_the_session_whatever_its_token_is_by_now(tmp_path: Path) -> None:
    """The session that a request has seen ends, not just the token that it brought."""
    async with AsyncSessions(f"sqlite:///{tmp_path}/app.db") as sessions:
        created = await sessions.create("ada")
        cookie = f"__Host-session={created.token.reveal()}".encode()
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"cookie", cookie)]}
        context = RequestContext(scope, sessions, WebSettings(), sessions.transport("__Host-session", bearer=False))
        assert await context.session()
        rotated = await sessions.rotate(created.token)
        assert isinstance(rotated, Rotated)
        await context.sign_out()
        assert not await sessions.get(rotated.token)

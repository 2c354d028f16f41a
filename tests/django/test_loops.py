"""What event loops bring along: several things at once in one request, and streams that are for threads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from django.http import StreamingHttpResponse
from django.test import RequestFactory

from coatcheck.django.middleware import SessionMiddleware
from coatcheck.django.running import running
from coatcheck.django.sessions import SessionStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.django.site import DjangoSite, SiteOnValkey

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("served", ["asgi"], indirect=True)
async def test_S8_two_things_at_once_in_one_request_both_keep_what_they_set(valkey_site: SiteOnValkey) -> None:
    """Each reads the session, and neither takes away what the other has set meanwhile."""
    browser = valkey_site.browser()
    browser("POST", "/set/a/1")
    session = SessionStore(browser.cookies["sessionid"])
    await asyncio.gather(session.aset("b", "2"), session.aset("c", "3"))
    await session.asave()
    assert browser("GET", "/all").json() == {"a": "1", "b": "2", "c": "3"}


@pytest.mark.parametrize("served", ["asgi"], indirect=True)
async def test_a_stream_for_threads_opens_no_store_in_the_event_loop(
    sqlite_site: DjangoSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To connect would block it."""
    browser = sqlite_site.browser()
    browser("POST", "/sign-in/ann")
    request: Any = RequestFactory().get("/", headers={"cookie": f"sessionid={browser.cookies['sessionid']}"})
    opened: list[bool] = []
    sessions = running.sessions

    def noted() -> Any:
        opened.append(asyncio._get_running_loop() is not None)
        return sessions()

    monkeypatch.setattr(running, "sessions", noted)

    async def view(request: Any) -> StreamingHttpResponse:
        assert await request.session.aget("_auth_user_id")

        def parts() -> Iterator[str]:
            yield "one"
            yield "two"

        return StreamingHttpResponse(parts())

    middleware: Any = SessionMiddleware(view)
    response = await middleware(request)
    assert opened == []
    assert await asyncio.to_thread(lambda: b"".join(response.streaming_content)) == b"onetwo"
    assert opened == [False]

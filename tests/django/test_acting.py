"""Whoever acts as a user is refused where the user is asked for (A1), in views of both kinds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from coatcheck import ImpersonationRefused
from coatcheck.django import (
    arequire_own_session,
    own_session_required,
    recent_auth_required,
    require_own_session,
    revoke_others,
    session_required,
)
from coatcheck.django.sessions import SessionStore
from tests.django import site as sites

if TYPE_CHECKING:
    from tests.django.site import DjangoSite


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("yes")


async def aview(request: HttpRequest) -> HttpResponse:
    return view(request)


def asked(key: str) -> HttpRequest:
    """Return a request with a session's cookie."""
    request = RequestFactory().post("/")
    request.session = SessionStore(key)
    return request


def acted_in() -> None:
    """Have somebody else act in what there is, as a session has it that was begun by `Impersonation`."""
    with closing(sqlite3.connect(sites.DATABASE)) as connection, connection:
        connection.execute('UPDATE coatcheck_sessions SET authentication = \'{"actor": "sue"}\'')


@pytest.mark.parametrize("served", ["wsgi"], indirect=True)
def test_A1_who_acts_as_a_user_is_no_proof_of_them(sqlite_site: DjangoSite) -> None:
    browser = sqlite_site.browser()
    browser("POST", "/sign-in/ann")
    key = browser.cookies["sessionid"]
    guards: list[Any] = [own_session_required, recent_auth_required(within=timedelta(hours=1))]
    for guard in guards:
        assert guard(view)(asked(key)).status_code == 200
    acted_in()
    for guard in guards:
        answer = guard(view)(asked(key))
        assert (answer.status_code, b"impersonation" in answer.content) == (403, True)
    assert session_required(view)(asked(key)).status_code == 200
    for verb in (require_own_session, revoke_others):
        with pytest.raises(ImpersonationRefused):
            verb(asked(key))


@pytest.mark.anyio
@pytest.mark.parametrize("served", ["asgi"], indirect=True)
async def test_A1_nor_in_an_event_loop(sqlite_site: DjangoSite) -> None:
    browser = sqlite_site.browser()
    browser("POST", "/sign-in/ann")
    key = browser.cookies["sessionid"]
    assert (await own_session_required(aview)(asked(key))).status_code == 200
    acted_in()
    assert (await own_session_required(aview)(asked(key))).status_code == 403
    with pytest.raises(ImpersonationRefused):
        await arequire_own_session(asked(key))

"""The page of a user's devices in an application of Starlette's and in one of FastAPI's."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from coatcheck import AsyncProviderSessions, AsyncSessions, ConfigurationError
from coatcheck import fastapi as for_fastapi
from coatcheck.starlette import DevicePage, SessionMiddleware, device_routes, rotate, sign_in
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.testing import AsyncFaultyStore, ManualClock
from tests.stub_provider import ADA, SECURE_COOKIE, AsyncStubProvider, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

PAGE = {"accept": "text/html", "sec-fetch-site": "same-origin"}


async def enter(request: Request) -> Response:
    await sign_in(request, request.path_params["user"])
    return JSONResponse({})


async def confirm(request: Request) -> Response:
    await rotate(request, reauthenticated=True)
    return JSONResponse({})


ROUTES = [Route("/enter/{user}", enter, methods=["POST"]), Route("/confirm", confirm, methods=["POST"])]


class Site:
    """An application with the page, and browsers that keep cookies."""

    def __init__(self, folder: Path, make: Callable[..., Any]) -> None:
        self.clock = ManualClock()
        self.store = AsyncFaultyStore(AsyncSQLiteStore(str(folder / "site.db"), clock=self.clock))
        self.app = make(AsyncSessions(self.store, clock=self.clock))
        self.clients: list[TestClient] = []

    def browser(self, agent: str, user: str = "ada") -> TestClient:
        """Return a browser that has signed in."""
        headers = PAGE | {"user-agent": agent}
        client = TestClient(self.app, base_url="https://testserver", headers=headers, follow_redirects=False)
        client.portal = self.clients[0].portal if self.clients else None
        if not self.clients:
            client.__enter__()
        self.clients.append(client)
        self.clock.advance(timedelta(seconds=1))  # the list is in the order in which they came
        assert client.post(f"/enter/{user}").status_code == 200
        return client


def starlette(sessions: AsyncSessions) -> Any:
    routes = [*ROUTES, *device_routes()]
    return Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, sessions=sessions)])


def mounted(sessions: AsyncSessions) -> Any:
    routes = [*ROUTES, Mount("/account", routes=device_routes())]
    return Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, sessions=sessions)])


def fastapi(sessions: AsyncSessions) -> Any:
    app = FastAPI(routes=[*ROUTES])
    app.include_router(for_fastapi.device_router(), prefix="/account")
    app.add_middleware(for_fastapi.SessionMiddleware, sessions=sessions)
    return app


KINDS = {"starlette": (starlette, "/devices"), "mounted": (mounted, "/account/devices")}


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Site, str]]:
    make, path = KINDS[request.param]
    site = Site(tmp_path, make)
    yield site, path
    site.clients[0].__exit__(None, None, None)


def ends_of(page: str) -> list[str]:
    """Return the addresses of the buttons that end one device, in their order."""
    return re.findall(r'<li .*?action="([^"]+)"', page)


def test_L7_one_device_ends_another_and_goes_back_to_the_list(site: tuple[Site, str]) -> None:
    """Newest first, this one marked; what they say of themselves is text, whatever it is."""
    (site_, path), evil = site, "<script>alert(1)</script>"
    there, here = (
        site_.browser(evil),
        site_.browser("Mozilla/5.0 (Windows NT 10.0; rv:143.0) Gecko/20100101 Firefox/143.0"),
    )
    page = here.get(path)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'; style-src 'sha256-" in page.headers["content-security-policy"]
    assert re.findall(r"<h2>(\S+).*This device", page.text) == ["Firefox"]
    assert "<script" not in page.text
    own, other = ends_of(page.text)
    assert own.startswith(f"{path}/")
    answer = here.post(other)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?said=device")
    assert "The device is signed out." in here.get(answer.headers["location"]).text
    assert there.get(path).headers["location"] == f"/login?next={path.replace('/', '%2F')}"
    gone = here.post(other)
    assert (gone.status_code, "no such device in your list" in gone.text) == (404, True)
    assert here.post(own).headers["location"] == "/?said=signed-out"
    assert here.get(path).status_code == 302


def test_L12_all_others_and_all(site: tuple[Site, str]) -> None:
    site_, path = site
    others, here = [site_.browser("one"), site_.browser("two")], site_.browser("three")
    token = here.cookies["__Host-session"]
    assert here.post(f"{path}/others/end").headers["location"] == f"{path}?said=others"
    assert here.cookies["__Host-session"] != token
    assert [browser.get(path).status_code for browser in others] == [302, 302]
    assert "disabled>Sign out all others" in here.get(path).text
    again = site_.browser("four")
    assert here.post(f"{path}/all/end").headers["location"] == "/?said=everywhere"
    assert "__Host-session" not in here.cookies
    assert again.get(path).status_code == 302


def test_L14_what_ends_others_asks_for_the_password_first(site: tuple[Site, str]) -> None:
    """The page says so before a button is pressed, and a button leads there; signing out here needs none."""
    site_, path = site
    there, here = site_.browser("one"), site_.browser("two")
    assert "confirm that it is you" not in here.get(path).text
    site_.clock.advance(timedelta(minutes=15, seconds=1))
    confirm_at = f"/confirm?next={path.replace('/', '%2F')}"
    page = here.get(path).text
    assert f'<a href="{confirm_at}">confirm that it is you</a>' in page
    own, other = ends_of(page)
    for action in (other, f"{path}/others/end", f"{path}/all/end"):
        answer = here.post(action)
        assert (answer.status_code, answer.headers["location"]) == (303, confirm_at)
    assert there.get(path).status_code == 200
    assert here.post("/confirm").status_code == 200
    assert here.post(other).headers["location"] == f"{path}?said=device"
    site_.clock.advance(timedelta(hours=1))
    assert here.post(own).headers["location"] == "/?said=signed-out"


def test_L14_somebody_elses_device_is_not_found_and_stays(site: tuple[Site, str]) -> None:
    site_, path = site
    ada, bob = site_.browser("one"), site_.browser("two", user="bob")
    [action] = ends_of(ada.get(path).text)
    assert bob.post(action).status_code == 404
    assert ada.get(path).status_code == 200


def test_X1_another_sites_form_ends_nothing(site: tuple[Site, str]) -> None:
    site_, path = site
    ada = site_.browser("one")
    assert ada.post(f"{path}/all/end", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert ada.get(path).status_code == 200


def test_who_is_not_signed_in_goes_to_the_sign_in_page_from_a_button_too(site: tuple[Site, str]) -> None:
    site_, path = site
    ada = site_.browser("one")
    ada.cookies.clear()
    assert ada.post(f"{path}/others/end").headers["location"] == path
    assert ada.get(path).headers["location"].startswith("/login?next=")


def test_N3_an_outage_is_a_503_and_no_empty_list(site: tuple[Site, str]) -> None:
    site_, path = site
    ada = site_.browser("one")
    site_.store.fail("list_sessions")
    assert ada.get(path).status_code == 503


def test_in_fastapi_under_a_prefix_and_not_in_openapi(tmp_path: Path) -> None:
    site = Site(tmp_path, fastapi)
    here = site.browser("one")
    assert here.get("/account/devices").status_code == 200
    assert "/account/devices" not in site.app.openapi()["paths"]
    site.clients[0].__exit__(None, None, None)


def test_in_a_layout_of_the_applications_own(tmp_path: Path) -> None:
    async def layout(request: Request, title: str, main: str) -> Response:
        return HTMLResponse(f"<title>{title} · Shop</title>{main}")

    def make(sessions: AsyncSessions) -> Any:
        routes = [*ROUTES, *device_routes(DevicePage(layout=layout))]
        return Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, sessions=sessions)])

    site = Site(tmp_path, make)
    page = site.browser("one").get("/devices")
    assert page.text.startswith("<title>Devices · Shop</title><h1>Devices</h1>")
    assert page.headers["cache-control"] == "no-store"
    assert "content-security-policy" not in page.headers
    site.clients[0].__exit__(None, None, None)


def test_with_the_sessions_of_a_provider_it_says_where_they_are(tmp_path: Path) -> None:
    """Nothing ends, whatever is pressed."""
    provider = AsyncStubProvider()
    provider.sessions[b"stub-token-1"] = session_of(ADA)
    visitors = AsyncProviderSessions(provider, AsyncSQLiteStore(str(tmp_path / "log.db"), clock=ManualClock()))
    app = Starlette(routes=device_routes(), middleware=[Middleware(SessionMiddleware, sessions=visitors)])
    headers = PAGE | {"cookie": f"{SECURE_COOKIE}=stub-token-1"}
    with TestClient(app, base_url="https://testserver", headers=headers, follow_redirects=False) as client:
        page = client.get("/devices")
        assert (page.status_code, "stub keeps the list of your devices" in page.text) == (501, True)
        for action in ("others", "all", "some-id"):
            assert client.post(f"/devices/{action}/end").headers["location"] == "/devices"
    assert provider.sessions


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("path", "devices"),
        ("path", "/devices/"),
        ("confirm_path", "//evil.example"),
        ("after_sign_out", "https://evil.example"),
        ("recent_auth_within", timedelta(0)),
    ],
)
def test_a_setting_that_is_not_possible_is_named(setting: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{setting}=.* is not possible: use"):
        DevicePage(**{setting: value})

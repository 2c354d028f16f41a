"""Any WSGI application behind the middleware: Pyramid, Falcon, Bottle, or a function."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import ConfigurationError, SchemaError, Sessions
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import FaultyStore
from coatcheck.wsgi import SessionMiddleware, context_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

COOKIE = "__Host-session"


class Site:
    def __init__(self, folder: Path) -> None:
        self.store = FaultyStore(SQLiteStore(str(folder / "app.db")))
        self.sessions = Sessions(self.store)
        self.handler: Callable[[WSGIEnvironment], Any] = lambda _: b"hello"
        self.app = SessionMiddleware(self._app, self.sessions)

    def _app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = self.handler(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [answer] if isinstance(answer, bytes) else answer

    def ask(self, method: str = "GET", **environ: Any) -> tuple[str, list[tuple[str, str]], Iterable[bytes]]:
        started: list[Any] = []
        base = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": "/",
            "QUERY_STRING": "",
            "REMOTE_ADDR": "192.0.2.7",
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(),
            "HTTP_HOST": "site.example",
        }

        def start_response(*start: Any) -> Callable[[bytes], object]:
            started.extend(start)
            return lambda _: None

        body = self.app({**base, **environ}, start_response)
        return started[0], started[1], body


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.sessions.close()


def _named(headers: list[tuple[str, str]], name: str) -> list[str]:
    return [value for key, value in headers if key.lower() == name]


def test_a_handler_signs_in_and_knows_who_asks(site: Site) -> None:
    site.handler = lambda environ: context_of(environ).sign_in("ada").id.encode()
    _, headers, _ = site.ask()
    [cookie] = _named(headers, "set-cookie")
    assert _named(headers, "cache-control") == ["no-store"]
    site.handler = lambda environ: (context_of(environ).require().user_id or "").encode()
    status, headers, body = site.ask(HTTP_COOKIE=cookie.partition(";")[0])
    assert (status, list(body)) == ("200 OK", [b"ada"])
    assert _named(headers, "vary") == ["Cookie"]
    assert site.sessions.list("ada")[0].ip == "192.0.2.7"


def test_C6_a_handler_that_needs_a_session_is_not_answered_without(site: Site) -> None:
    site.handler = lambda environ: (context_of(environ).require().user_id or "").encode()
    assert site.ask()[0] == "401 Unauthorized"
    status, headers, _ = site.ask(HTTP_ACCEPT="text/html", PATH_INFO="/a", SCRIPT_NAME="/b", QUERY_STRING="c=d")
    assert status == "302 Found"
    assert _named(headers, "location") == ["/login?next=%2Fb%2Fa%3Fc%3Dd"]


def test_the_sign_in_page_leads_back_to_what_the_client_asked_for(site: Site) -> None:
    """Whatever has become of the path inside."""

    def moved(environ: WSGIEnvironment) -> bytes:
        environ["PATH_INFO"] = "/moved"
        return (context_of(environ).require().user_id or "").encode()

    site.handler = moved
    _, headers, _ = site.ask(HTTP_ACCEPT="text/html", PATH_INFO="/here")
    assert _named(headers, "location") == ["/login?next=%2Fhere"]


def test_C7_two_cookies_that_the_server_has_joined_count_as_none(site: Site) -> None:
    """Servers join the lines of a header with commas: what comes of it is no token."""
    token = site.sessions.create("ada").token.reveal()
    other = site.sessions.create("bob").token.reveal()
    site.handler = lambda environ: str(bool(context_of(environ).session())).encode()
    [answer] = site.ask(HTTP_COOKIE=f"{COOKIE}={token},{COOKIE}={other}")[2]
    assert answer == b"False"
    [answer] = site.ask(HTTP_COOKIE=f"{COOKIE}={token}; {COOKIE}={other}")[2]
    assert answer == b"False"
    [answer] = site.ask(HTTP_COOKIE=f"{COOKIE}={token}; {COOKIE}={token}")[2]
    assert answer == b"True"


def test_X1_a_cross_site_request_is_refused_before_the_application_sees_it(site: Site) -> None:
    site.handler = lambda _: pytest.fail("the application was called")
    token = site.sessions.create("ada").token.reveal()
    cookie = f"{COOKIE}={token}"
    assert site.ask("POST", HTTP_COOKIE=cookie, HTTP_SEC_FETCH_SITE="cross-site")[0] == "403 Forbidden"
    assert site.ask("POST", HTTP_COOKIE=cookie)[0] == "403 Forbidden"
    joined = "https://site.example,https://evil.example"
    assert site.ask("POST", HTTP_COOKIE=cookie, HTTP_ORIGIN=joined)[0] == "403 Forbidden"


def test_S9_an_outage_is_503(site: Site) -> None:
    token = site.sessions.create("ada").token.reveal()
    site.sessions.forked()
    site.store.fail("poll", "read")
    site.handler = lambda environ: str(bool(context_of(environ).session())).encode()
    status, headers, _ = site.ask(HTTP_COOKIE=f"{COOKIE}={token}")
    assert status == "503 Service Unavailable"
    assert _named(headers, "retry-after") == ["1"]
    assert _named(headers, "set-cookie") == []


def test_a_body_that_is_complete_is_handed_on_as_it_is_and_a_stream_is_closed(site: Site) -> None:
    """A server may send a file by a way of its own; whoever begins a stream is told that it is over (PEP 3333)."""

    class Stream:
        closed = False

        def __iter__(self) -> Iterator[bytes]:
            return iter([b"one"])

        def close(self) -> None:
            self.closed = True

    stream = Stream()
    site.handler = lambda _: stream
    assert site.ask()[2] is stream, "nobody's session, so nobody has to look"
    token = site.sessions.create("ada").token.reveal()
    site.handler = lambda environ: (context_of(environ).require(), stream)[1]
    body: Any = site.ask(HTTP_COOKIE=f"{COOKIE}={token}")[2]
    assert list(body) == [b"one"]
    body.close()
    assert stream.closed


def test_a_wrong_configuration_fails_when_the_application_is_made(tmp_path: Path) -> None:
    """Not with the first request."""
    with pytest.raises(ConfigurationError, match="folder"):
        SessionMiddleware(lambda *_: [], Sessions(f"sqlite:///{tmp_path}/missing/app.db"))
    with pytest.raises(SchemaError):
        SessionMiddleware(lambda *_: [], Sessions(SQLiteStore(str(tmp_path / "empty.db"), migrate=False)))
    with pytest.raises(ConfigurationError, match="no SessionMiddleware"):
        context_of({})

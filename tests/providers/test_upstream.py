"""The HTTP client of the providers, on both sides, against a server that answers what it is told."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import traceback
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from coatcheck.core.answers import NotSignedIn, Validated
from coatcheck.core.identities import Nonsense, ProviderAnswer
from coatcheck.errors import ConfigurationError, Unavailable
from coatcheck.providers.async_upstream import AsyncUpstream
from coatcheck.providers.base import LARGEST_REPLY, HTTPSettings, Reply, checked_url, retry_after
from coatcheck.providers.upstream import Upstream
from coatcheck.testing import ManualClock
from tests.providers.scripted import Answer, Scripted, dripping, reply
from tests.servers.proxy import Proxy
from tests.sides import kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["kind"]

TOKEN = "s3cr3t-token-of-somebody"
HEADERS = {"authorization": f"Bearer {TOKEN}"}


class Asker:
    """An upstream of one of the two kinds, and the loop of its own that one of them needs."""

    def __init__(self, kind: str, url: str, *, client: bool = False, **settings: Any) -> None:
        self.kind = kind
        self._runner = asyncio.Runner()
        self.clock = ManualClock()
        self.clients: list[Any] = []
        made, asker = (httpx2.AsyncClient, AsyncUpstream) if kind == "asyncio" else (httpx2.Client, Upstream)
        if client:
            self.clients.append(made(trust_env=False))
        self.upstream: Any = asker(
            "auth", url, HTTPSettings(**settings), client=self.clients[0] if client else None, clock=self.clock
        )

    def ask(self, path: str = "/", method: str = "GET", **kwargs: Any) -> Reply:
        found: Reply = self.wait_for(lambda: self.upstream.ask(method, path, **({"headers": HEADERS} | kwargs)))
        return found

    def fails(self, **kwargs: Any) -> Unavailable:
        """Ask, expecting no answer."""
        with pytest.raises(Unavailable) as caught:
            self.ask(**kwargs)
        return caught.value

    def wait_for(self, call: Any) -> Any:
        async def awaited() -> Any:
            return await call()

        return self._runner.run(awaited()) if self.kind == "asyncio" else call()

    def new_loop(self) -> None:
        """Go on in another event loop, while the first one is still there."""
        self._old, self._runner = self._runner, asyncio.Runner()

    def close(self) -> None:
        close = "aclose" if self.kind == "asyncio" else "close"
        self.wait_for(getattr(self.upstream, close))
        for client in self.clients:
            self.wait_for(getattr(client, close))
        self._runner.close()


@pytest.fixture
def asking(kind: str) -> Iterator[Any]:
    """Make askers of a server, closed at the end."""
    with ExitStack() as stack:

        def make(url: str, **settings: Any) -> Asker:
            asker = Asker(kind, url, **settings)
            stack.callback(asker.close)
            return asker

        yield make


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


# --- what is asked, and what comes back


def test_a_question_and_its_reply(server: Scripted, asking: Any) -> None:
    server.answers = [reply(200, b'{"a": 1}', "Set-Cookie: a=1; Path=/", "set-cookie: b=2")]
    found = asking(server.url + "/").ask("/me?x=1")
    assert (found.status, found.set_cookies, found.json()) == (200, (b"a=1; Path=/", b"b=2"), {"a": 1})
    assert server.asked[0].line == "GET /me?x=1 HTTP/1.1"
    assert server.asked[0].headers["authorization"] == HEADERS["authorization"]


def test_forms_and_json_are_sent_as_such(server: Scripted, asking: Any) -> None:
    asker = asking(server.url)
    asker.ask(method="POST", form={"token": "a b"})
    asker.ask(method="POST", json={"a": 1})
    assert [asked.body for asked in server.asked] == [b"token=a+b", b'{"a":1}']


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 403, 404])
def test_statuses_that_are_no_outage_are_handed_back(server: Scripted, asking: Any, status: int) -> None:
    server.answers = [reply(status, b"", "Location: http://127.0.0.1:1/elsewhere")]
    assert asking(server.url).ask().status == status
    assert len(server.asked) == 1  # a redirect is not followed: it would carry the token elsewhere


def test_connections_are_kept(server: Scripted, asking: Any) -> None:
    asker = asking(server.url)
    for _ in range(5):
        asker.ask()
    assert server.connections == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_nonsense_that_shows_nothing(body: bytes) -> None:
    with pytest.raises(Nonsense) as caught:
        Reply(200, (), body).json()
    assert str(caught.value) == "the body is not JSON"


# --- outages


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_S9_a_server_error_is_tried_again_and_then_an_outage(server: Scripted, asking: Any, status: int) -> None:
    server.answers = [reply(status, b"", "Retry-After: 7")]
    assert asking(server.url, retries=2).fails().retry_after == 7
    assert len(server.asked) == 3


def test_a_retry_that_works_is_an_answer(server: Scripted, asking: Any) -> None:
    server.answers = [reply(500), reply(200, b'"fine"')]
    assert asking(server.url).ask().json() == "fine"


def test_what_may_not_be_done_twice_is_tried_once(server: Scripted, asking: Any) -> None:
    server.answers = [reply(500)]
    asking(server.url, retries=5).fails(repeat=False)
    assert len(server.asked) == 1


def test_too_many_requests_are_not_made_more(server: Scripted, asking: Any) -> None:
    server.answers = [reply(429, b"", "X-Retry-After: 9")]
    assert asking(server.url, retries=5).fails().retry_after == 9
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("value", "seconds"), [("3", 3), ("0", 1), ("999", 60), ("", 1), ("-1", 1), ("Fri, 31 Dec", 1), ("٣", 1)]
)
def test_retry_after_is_kept_within_reason(value: str, seconds: int) -> None:
    assert retry_after({"retry-after": value}) == seconds


def test_nobody_listening_is_an_outage(server: Scripted, asking: Any) -> None:
    asker = asking(server.url)
    with Scripted() as gone:
        url = gone.url
    assert "ConnectError" in str(asking(url).fails())
    assert asker.ask().status == 200


@pytest.mark.parametrize("body", [b"", b"HTTP/1.1 200 OK\r\n"], ids=["headers", "body"])
def test_an_answer_that_drips_ends_with_the_timeout(server: Scripted, asking: Any, body: bytes) -> None:
    """Each octet comes in time, and the whole never. The test ends, or pytest's own timeout ends it."""
    head = b"HTTP/1.1 200 OK\r\n" + (b"X-Long: " if not body else b"Content-Length: 1000000\r\n\r\n")
    server.answers = [reply(), dripping(head)]
    asker = asking(server.url, timeout=timedelta(seconds=1), retries=0)
    asker.ask()
    assert "Timeout" in str(error := asker.fails()) or "in time" in str(error)


def test_a_silent_connection_ends_with_the_timeout(server: Scripted, asking: Any) -> None:
    with Proxy(server.port) as proxy:
        asker = asking(proxy.through(server.url), timeout=timedelta(seconds=1), retries=0)
        asker.ask()
        proxy.black_hole(new_ones_work=False)
        asker.fails()
        proxy.restore()
        assert asker.ask().status == 200


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_that_was_cut_is_replaced(server: Scripted, asking: Any, reset: bool) -> None:
    with Proxy(server.port) as proxy:
        asker = asking(proxy.through(server.url))
        for _ in range(3):
            assert asker.ask().status == 200
            proxy.cut(reset=reset)


def test_an_answer_that_is_cut_off_is_an_outage(server: Scripted, asking: Any) -> None:
    server.answers = [lambda client: client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nnull")]
    assert "RemoteProtocolError" in str(asking(server.url).fails())


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nSet-Cookie: a\nb=c\x00\r\n\r\n"])
def test_what_is_no_http_is_an_outage(server: Scripted, asking: Any, answer: bytes) -> None:
    server.answers = [lambda client: client.sendall(answer)]
    asking(server.url, retries=0).fails()


def test_T7_a_reply_longer_than_any_answer_is_an_outage(server: Scripted, asking: Any) -> None:
    server.answers = [reply(200, b"x" * (LARGEST_REPLY + 1))]
    assert "more than" in str(asking(server.url, retries=0).fails())
    server.answers = [reply(200, b"x" * LARGEST_REPLY)]
    assert len(asking(server.url).ask().body) == LARGEST_REPLY


# --- left alone while it fails


def test_after_failures_in_a_row_nobody_asks_until_the_pause_is_over(
    server: Scripted, asking: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "coatcheck")
    server.answers = [reply(500)]
    asker = asking(server.url, retries=0, failures=2, pause=timedelta(seconds=1))
    asker.fails()
    assert asker.upstream.available
    asker.fails()
    assert not asker.upstream.available
    asker.fails()
    assert len(server.asked) == 2  # the third was refused at once
    asker.clock.advance(timedelta(seconds=3))
    server.answers = [reply()]
    assert asker.ask().status == 200
    assert asker.upstream.available
    events = [record.getMessage() for record in caplog.records if record.name == "coatcheck"]
    assert events == ["coatcheck.provider_unavailable", "coatcheck.provider_available"]


# --- nothing passes from one visitor to another, and nothing comes from outside


def test_S11_no_cookie_of_one_visitor_goes_with_the_next_ones_question(server: Scripted, asking: Any) -> None:
    server.answers = [reply(200, b"{}", "Set-Cookie: session=of-the-first; Path=/")]
    for given in (False, True):
        asker = asking(server.url, client=given)
        for who in ("first", "second"):
            asker.ask(headers={"cookie": f"session={who}"})
        asker.ask(headers={})
    assert [asked.headers.get("cookie") for asked in server.asked] == ["session=first", "session=second", None] * 2


def test_neither_proxy_nor_password_comes_from_the_environment(
    server: Scripted, asking: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    asking(server.url).ask(headers={})
    assert "authorization" not in server.asked[0].headers


def test_T9_no_token_is_in_any_log_or_error(server: Scripted, asking: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, name)
    texts: list[str] = []
    answers: list[Answer] = [
        reply(200, TOKEN.encode(), f"Set-Cookie: session={TOKEN}"),
        reply(500, TOKEN.encode(), f"Set-Cookie: session={TOKEN}"),
        dripping(f"HTTP/1.1 200 OK\r\nSet-Cookie: {TOKEN}\r\n\r\n{TOKEN}".encode()),
        lambda client: client.sendall(f"HTTP/1.1 200 OK\r\n{TOKEN}\r\n\r\n".encode()),
    ]
    for answer in answers:
        server.answers = [answer]
        for given in (False, True) if isinstance(answer, bytes) else (False,):
            asker = asking(server.url, client=given, timeout=timedelta(seconds=1), retries=0)
            try:
                found = asker.ask(headers={"cookie": f"session={TOKEN}"})
                texts.append(repr(found))
            except Unavailable as error:
                texts += traceback.format_exception(error)
    texts += [str(record.__dict__) for record in caplog.records]
    assert texts
    assert not [text for text in texts if TOKEN in text]


def test_T9_the_applications_own_requests_are_logged_as_ever(
    server: Scripted, asking: Any, caplog: pytest.LogCaptureFixture
) -> None:
    asking(server.url).ask()
    caplog.set_level(logging.INFO, "httpx2")
    httpx2.get(server.url, trust_env=False)
    assert "HTTP Request" in caplog.text


def test_T9_no_answer_shows_its_cookies() -> None:
    for shown in (
        Reply(200, (TOKEN.encode(),), TOKEN.encode()),
        Validated(NotSignedIn.UNKNOWN, "store", (TOKEN.encode(),)),
        ProviderAnswer(NotSignedIn.UNKNOWN, set_cookies=(TOKEN.encode(),)),
    ):
        assert TOKEN not in f"{shown!r} {shown}"


# --- clients, loops, processes


def test_it_can_be_asked_again_after_it_was_closed(server: Scripted, asking: Any) -> None:
    asker = asking(server.url)
    asker.ask()
    asker.wait_for(asker.upstream.aclose if asker.kind == "asyncio" else asker.upstream.close)
    assert asker.ask().status == 200
    assert server.connections == 2


def test_a_given_client_stays_open_and_a_closed_one_is_an_outage(server: Scripted, asking: Any) -> None:
    asker = asking(server.url, client=True)
    asker.ask()
    close = "aclose" if asker.kind == "asyncio" else "close"
    asker.wait_for(getattr(asker.upstream, close))
    assert asker.ask().status == 200
    asker.wait_for(getattr(asker.clients[0], close))
    assert "client is closed" in str(asker.fails())


def test_each_event_loop_has_its_own_connections(server: Scripted) -> None:
    upstream = AsyncUpstream("auth", server.url)

    async def ask() -> int:
        return (await upstream.ask("GET", "/", headers={})).status

    async def close() -> None:
        await upstream.aclose()

    async def ask_once() -> int:
        status = await ask()
        await close()
        return status

    with asyncio.Runner() as one, asyncio.Runner() as other:
        assert [runner.run(ask()) for runner in (one, other, one, other)] == [200] * 4
        assert server.connections == 2
        one.run(close())
        other.run(close())
    assert asyncio.run(ask_once()) == 200  # an application that has a loop for each request


def _in_child(work: Any) -> int:
    """Run something in a forked child; 0 when it returned true."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if work() else 1)
        except BaseException:  # noqa: BLE001 - the child must not go on as pytest
            traceback.print_exc(file=sys.stderr)
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(server: Scripted) -> None:
    upstream = Upstream("auth", server.url)
    assert upstream.ask("GET", "/", headers={}).status == 200

    def child() -> bool:
        upstream.forked()
        return upstream.ask("GET", "/", headers={}).status == 200

    assert _in_child(child) == 0
    assert server.connections == 2
    assert upstream.ask("GET", "/", headers={}).status == 200
    assert server.connections == 2
    upstream.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_S11_a_child_does_not_use_a_given_client_that_its_parent_has_used(server: Scripted) -> None:
    """Two processes on one connection would read each other's answers."""
    with httpx2.Client(trust_env=False) as client:
        upstream = Upstream("auth", server.url, client=client)

        def child() -> bool:
            upstream.forked()
            try:
                upstream.ask("GET", "/", headers={})
            except Unavailable as error:
                return "before the process forked" in str(error)
            return False

        def early_child() -> bool:
            return not child()

        assert _in_child(early_child) == 0  # not used yet: it may
        assert upstream.ask("GET", "/", headers={}).status == 200
        assert _in_child(child) == 0


# --- settings


@pytest.mark.parametrize(
    "url",
    [
        *("", "auth.example.com", "ftp://a", "http://", "http://user:pw@a", "http://a?b=c", "http://a#b", "http://a:0"),
        *("http://a:99999", "http://a b", "http://ä"),
    ],
)
def test_what_is_no_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^url") as caught:
        checked_url("url", url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout": timedelta(0)},
        {"timeout": timedelta(minutes=2)},
        {"retries": -1},
        {"retries": 6},
        {"max_connections": 0},
        {"failures": 0},
        {"pause": timedelta(0)},
        {"pause": timedelta(minutes=1)},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"^provider {next(iter(settings))}="):
        HTTPSettings(**settings)

"""Two real server processes on one database: sockets and streams end when a session is ended somewhere else."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.web.browser import COOKIE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from websockets.sync.client import ClientConnection

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
DEADLINE = 30
TICKS_IN_A_SECOND = 10


@contextmanager
def server(database: Path) -> Iterator[str]:
    """Run a server process, and return where it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.web.served", str(database)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, "the server did not start"
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(DEADLINE)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that both servers share."""
    return tmp_path_factory.mktemp("shared") / "app.db"


@pytest.fixture(scope="module")
def servers(database: Path) -> Iterator[tuple[str, str]]:
    """Two server processes."""
    with server(database) as first, server(database) as second:
        for address in (first, second):
            httpx2.get(f"http://{address}/plain", timeout=DEADLINE)  # the socket listens before the server accepts
        yield first, second


def sign_in(address: str, user: str) -> str:
    """Return the cookie header of a user who has signed in at a server."""
    headers = {"sec-fetch-site": "same-origin"}
    answer = httpx2.post(f"http://{address}/sign-in", json={"user": user}, headers=headers, timeout=DEADLINE)
    assert answer.status_code == 200
    return answer.headers["set-cookie"].partition(";")[0]


@contextmanager
def opened(address: str, cookie: str, **headers: str) -> Iterator[ClientConnection]:
    """Open a WebSocket as a page of the site does, unless told otherwise."""
    headers = {"origin": f"http://{address}", "cookie": cookie} | headers
    with connect(f"ws://{address}/ticks", additional_headers=headers, open_timeout=DEADLINE) as websocket:
        yield websocket


def delete_by_hand(database: Path, address: str, cookie: str, user: str) -> None:
    """End a session with a statement, from this process."""
    with closing(sqlite3.connect(database)) as connection, connection:
        assert connection.execute("DELETE FROM coatcheck_sessions WHERE user_id = ?", (user,)).rowcount == 1


def sign_out_elsewhere(database: Path, address: str, cookie: str, user: str) -> None:
    """End a session at the other server."""
    headers = {"sec-fetch-site": "same-origin", "cookie": cookie}
    assert httpx2.post(f"http://{address}/sign-out", headers=headers, timeout=DEADLINE).status_code == 200


ENDINGS = [delete_by_hand, sign_out_elsewhere]


@pytest.mark.parametrize("end", ENDINGS)
def test_X8_a_websocket_is_closed_with_4001_within_a_second(
    servers: tuple[str, str], database: Path, end: Callable[[Path, str, str, str], None]
) -> None:
    """Ten ticks are a second, and fewer are heard after the revocation; another user's socket goes on."""
    one, two = servers
    user = end.__name__
    cookie, bystander = sign_in(one, user), sign_in(one, "bystander")
    with opened(two, cookie) as websocket, opened(two, bystander) as other:
        for _ in range(3):
            assert websocket.recv(DEADLINE) == user
        end(database, one, cookie, user)
        heard: list[str | bytes] = []
        with pytest.raises(ConnectionClosed) as closed:
            heard.extend(websocket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4001
        assert len(heard) <= TICKS_IN_A_SECOND
        for _ in range(len(heard) + TICKS_IN_A_SECOND):
            assert other.recv(DEADLINE) == "bystander"


@pytest.mark.parametrize("end", ENDINGS)
def test_X8_server_sent_events_end_within_a_second(
    servers: tuple[str, str], database: Path, end: Callable[[Path, str, str, str], None]
) -> None:
    """The response is complete, the connection can be used again, and the next request is refused."""
    one, two = servers
    user = f"events-{end.__name__}"
    cookie = sign_in(one, user)
    with httpx2.Client(timeout=DEADLINE, headers={"cookie": cookie}) as client:
        with client.stream("GET", f"http://{two}/events") as response:
            assert response.status_code == 200
            lines = response.iter_lines()
            for _ in range(3):
                assert next(lines) == f"data: {user}"
                assert next(lines) == ""
            end(database, one, cookie, user)
            assert sum(line.startswith("data") for line in lines) <= TICKS_IN_A_SECOND
        assert client.get(f"http://{two}/private").status_code == 401


def test_X8_a_download_that_is_cut_short_does_not_look_complete(servers: tuple[str, str], database: Path) -> None:
    """The client was told how much would come, and sees that it did not."""
    one, two = servers
    cookie = sign_in(one, "downloader")
    with httpx2.stream("GET", f"http://{two}/download", headers={"cookie": cookie}, timeout=DEADLINE) as response:
        chunks = response.iter_raw()
        assert next(chunks)
        delete_by_hand(database, one, cookie, "downloader")
        with pytest.raises(httpx2.RemoteProtocolError):
            for _ in chunks:
                pass


def test_X7_a_real_handshake_of_another_origin_is_refused(servers: tuple[str, str]) -> None:
    """With 403 although its cookie is valid; with 401 from our own pages without a session."""
    one, two = servers
    cookie = sign_in(one, "handshaker")
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"origin": f"https://{two}"}):
        with pytest.raises(InvalidStatus) as refused, opened(two, cookie, **headers):
            pass
        assert refused.value.response.status_code == 403
    with pytest.raises(InvalidStatus) as refused, opened(two, f"{COOKIE}={'A' * 43}"):
        pass
    assert refused.value.response.status_code == 401
    assert b'"reason": "unknown"' in (refused.value.response.body or b"")
    with opened(two, cookie) as websocket:
        assert websocket.recv(DEADLINE) == "handshaker"


def test_X4_a_real_server_hands_over_the_path_that_is_routed(servers: tuple[str, str]) -> None:
    """Dot segments and doubled slashes arrive as they were sent, and are refused as any other path."""
    one, _ = servers
    cookie = sign_in(one, "router")
    for path in ("/sign-out", "//sign-out", "/./sign-out", "/x/../sign-out", "/sign%2dout"):
        with closing(httpx2.Client(timeout=DEADLINE)) as client:
            request = client.build_request("POST", f"http://{one}{path}", headers={"cookie": cookie})
            assert client.send(request).status_code == 403


def test_a_wrong_configuration_ends_the_server_with_the_reason(tmp_path: Path) -> None:
    """It exits with an error, and says which folder is missing."""
    missing = tmp_path / "nowhere" / "app.db"
    command = [sys.executable, "-m", "tests.web.served", str(missing)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert ran.returncode != 0
    assert str(missing.parent) in ran.stderr
    assert "does not exist" in ran.stderr


def test_a_server_that_is_stopped_writes_what_is_pending(tmp_path: Path) -> None:
    """A touch that waits for its flush is in the database after the process has ended."""
    database = tmp_path / "app.db"
    with server(database) as address:
        cookie = sign_in(address, "alice")
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE coatcheck_sessions SET last_seen_at = last_seen_at - 3600000000")
            before = connection.execute("SELECT last_seen_at FROM coatcheck_sessions").fetchone()
        assert httpx2.get(f"http://{address}/private", headers={"cookie": cookie}, timeout=DEADLINE).status_code == 200
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT last_seen_at FROM coatcheck_sessions").fetchone() > before

"""Each fault of the network between client and server, shown once."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from tests.servers.proxy import Proxy
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOMENT = 0.1


def _echo(listener: socket.socket) -> None:
    def serve(client: socket.socket) -> None:
        with client, suppress(ConnectionResetError):
            while chunk := client.recv(100):
                client.sendall(chunk)

    threads = []
    try:
        while True:
            threads.append(threading.Thread(target=serve, args=(listener.accept()[0],)))
            threads[-1].start()
    except OSError:
        for thread in threads:
            thread.join(DEADLINE)


@pytest.fixture
def echo() -> Iterator[int]:
    """Run a server that sends back what it hears, and return its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_echo, args=(listener,))
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    thread.join(DEADLINE)
    listener.close()


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Proxy(echo) as proxy:
        yield proxy


@contextmanager
def connected(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=DEADLINE) as client:
        yield client


def hears(client: socket.socket, what: bytes = b"a") -> bool:
    """Say something, and say whether it comes back."""
    client.sendall(what)
    return client.recv(100) == what


def is_silent(client: socket.socket) -> bool:
    """Say whether nothing comes for a moment; what cannot come never does."""
    client.settimeout(_MOMENT)
    try:
        client.recv(100)
    except TimeoutError:
        return True
    finally:
        client.settimeout(DEADLINE)
    return False


def test_bytes_go_through_and_connections_are_counted(proxy: Proxy) -> None:
    with connected(proxy) as one, connected(proxy) as other:
        assert hears(one)
        assert hears(other, b"b")
        assert proxy.connections == 2
    until(lambda: proxy.connections == 0, "both are closed")


def test_much_goes_through_unchanged(proxy: Proxy) -> None:
    much = bytes(range(256)) * 10_000
    with connected(proxy) as client:
        sender = threading.Thread(target=client.sendall, args=(much,))
        sender.start()
        with client.makefile("rb") as file:
            assert file.read(len(much)) == much
        sender.join(DEADLINE)


def test_a_cut_closes_what_is_open_and_nothing_later(proxy: Proxy) -> None:
    with connected(proxy) as client:
        assert hears(client)
        proxy.cut()
        assert client.recv(1) == b""
    with connected(proxy) as client:
        assert hears(client)
        proxy.cut(reset=True)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with connected(proxy) as client:
        assert hears(client)


@pytest.mark.parametrize("new_ones_work", [True, False])
def test_a_black_hole_swallows_and_does_not_close(proxy: Proxy, *, new_ones_work: bool) -> None:
    with connected(proxy) as old:
        assert hears(old)
        proxy.black_hole(new_ones_work=new_ones_work)
        with connected(proxy) as new:
            for each, works in ((old, False), (new, new_ones_work)):
                each.sendall(b"b")
                assert is_silent(each) is not works
            proxy.restore()
            assert old.recv(1) == b"b", "it comes late"
            assert hears(old)


def test_a_black_hole_hides_that_the_server_has_closed() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Proxy(listener.getsockname()[1]) as proxy,
        connected(proxy) as client,
    ):
        server, _ = listener.accept()
        proxy.black_hole()
        server.close()
        assert is_silent(client)
        proxy.cut()
        assert client.recv(1) == b""


def test_new_connections_are_refused_and_old_ones_go_on(proxy: Proxy) -> None:
    with connected(proxy) as client:
        assert hears(client)
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError), connected(proxy):
            pass
        assert hears(client)
    proxy.restore()
    with connected(proxy) as client:
        assert hears(client)


def test_a_delay_holds_each_answer_back_both_ways(proxy: Proxy) -> None:
    with connected(proxy) as client:
        assert hears(client)
        proxy.delay(_MOMENT)
        sent = time.monotonic()
        assert hears(client)
        assert time.monotonic() - sent >= 2 * _MOMENT
        proxy.restore()
        assert hears(client)


def test_a_target_that_is_not_there_closes_the_connection_and_may_be_changed(proxy: Proxy, echo: int) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        proxy.target = nobody.getsockname()[1]
        with connected(proxy) as client:
            assert client.recv(1) == b""
    proxy.target = echo
    with connected(proxy) as client:
        assert hears(client)


def test_a_url_leads_through_the_proxy(proxy: Proxy) -> None:
    url = proxy.through("postgresql://postgres@127.0.0.1:5432/a?b=c")
    assert url == f"postgresql://postgres@127.0.0.1:{proxy.port}/a?b=c"

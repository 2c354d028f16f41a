"""A small real HTTP server that answers what a test tells it, as slowly and as wrongly as it likes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Self

from tests.servers.ports import Port

Answer = bytes | Callable[[socket.socket], None]

DRIP = 0.02
"""Seconds between two octets of an answer that drips."""


def reply(status: int = 200, body: bytes = b"{}", *headers: str) -> bytes:
    """Return a whole answer."""
    lines = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def dripping(answer: bytes) -> Callable[[socket.socket], None]:
    """Send an answer octet by octet, and never stop."""

    def send(client: socket.socket) -> None:
        client.sendall(answer)
        while True:
            client.sendall(b"x")
            time.sleep(DRIP)

    return send


class Asked(NamedTuple):
    """One request, as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


class Scripted:
    """The server. Each request gets the next answer, the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers: list[Answer] = list(answers) or [reply()]
        self.asked: list[Asked] = []
        self._port = Port()
        self._door = socket.socket()
        self._threads: list[threading.Thread] = []
        self._clients: list[socket.socket] = []
        self.connections = 0

    @property
    def port(self) -> int:
        return self._port.number

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _admit(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            self.connections += 1
            self._clients.append(client)
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, client.makefile("rb") as lines:
            while line := lines.readline():
                headers: dict[str, str] = {}
                while (header := lines.readline().strip()) != b"":
                    name, _, value = header.decode().partition(": ")
                    headers[name.lower()] = value
                body = lines.read(int(headers.get("content-length", "0")))
                self.asked.append(Asked(line.decode().strip(), headers, body))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if isinstance(answer, bytes):
                    client.sendall(answer)
                else:
                    answer(client)
                    return

    def __enter__(self) -> Self:
        self._door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._door.bind(("127.0.0.1", self.port))
        self._door.listen(128)
        self._threads.append(threading.Thread(target=self._admit, daemon=True))
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._door, *self._clients):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)
        self._port.close()

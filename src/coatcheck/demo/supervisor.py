"""Starts the demo's two processes, says what to do with them, and ends both together."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from coatcheck import CoatcheckError
from coatcheck.demo.places import address, is_every_address, is_loopback, near
from coatcheck.demo.schema import prepare
from coatcheck.demo.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

READY = "ready"
"""What a process prints when it listens."""

_LAST_PORT = 65_534
_PATIENCE = 5.0

Server = subprocess.Popen[str]


def supervise(host: str, port: int, database: str | None) -> int:
    """Serve the demo until it is interrupted; returns the exit code."""
    with ExitStack() as cleaning:
        cleaning.enter_context(_interruptible())
        # Before anything is begun, so that an early Ctrl-C cleans up as well.
        cleaning.enter_context(suppress(KeyboardInterrupt))
        try:
            _check_ports(host, port)
            path = _database(database, cleaning)
            prepare(path)
        except (CoatcheckError, OSError) as error:
            return _fail(str(error))
        servers = [cleaning.enter_context(_server(number, host, port, path)) for number in (1, 2)]
        if not all(map(_is_ready, servers)):
            return _fail("a process could not start; what it said stands above")
        _say(instructions(host, port, path, temporary=database is None))
        _wait(servers)
        return _fail("a process has ended by itself; the other one is stopped too")
    _say("Stopped.")
    return 0


def _fail(message: str) -> int:
    sys.stderr.write(f"coatcheck demo: {message}\n")
    return 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def _interruptible() -> Generator[None]:
    """Let SIGTERM end the demo as Ctrl-C does."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is told of signals
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# --- what they need


def _check_ports(host: str, port: int) -> None:
    """Refuse an address on which the processes could not listen.

    Raises:
        OSError: The message says why, and what to do.
    """
    if not 1 <= port <= _LAST_PORT:
        msg = f"port {port} is not possible: use 1 to {_LAST_PORT}, so that the second process gets the next one"
        raise OSError(msg)
    for wanted in (port, port + 1):
        try:
            _try_to_bind(host, wanted)
        except OSError as error:
            msg = f"cannot listen on {address(host, wanted)} ({error.strerror}): {_advice(error, port)}"
            raise OSError(msg) from None


def _try_to_bind(host: str, port: int) -> None:
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        if os.name == "posix":  # elsewhere the option lets two programs share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(place)
        probe.listen()


def _advice(error: OSError, port: int) -> str:
    if isinstance(error, socket.gaierror):
        return "use an address of this machine, such as --host 127.0.0.1"
    return f"another program may have it; the demo needs two ports in a row, try --port {min(port + 10, _LAST_PORT)}"


def _database(database: str | None, cleaning: ExitStack) -> str:
    if database is not None:
        return str(Path(database).absolute())
    folder = cleaning.enter_context(TemporaryDirectory(prefix="coatcheck-demo-"))
    return str(Path(folder) / "demo.sqlite3")


# --- the processes


@contextmanager
def _server(number: int, host: str, first_port: int, database: str) -> Generator[Server]:
    """Start one process; it ends when its standard input does, so it never outlives this one."""
    arguments = [str(number), host, str(first_port), database]
    process = subprocess.Popen(  # noqa: S603 - a list written here
        [sys.executable, "-P", "-m", "coatcheck.demo.server", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the supervisor, which then ends both
    )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: Server) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_ready(process: Server) -> bool:
    return process.stdout is not None and process.stdout.readline().strip() == READY


def _wait(servers: Sequence[Server]) -> None:
    """Return when the first process has ended."""
    while all(server.poll() is None for server in servers):
        with suppress(subprocess.TimeoutExpired):
            servers[0].wait(0.25)


# --- what to do with them


def instructions(host: str, port: int, database: str, *, temporary: bool) -> str:
    """Return what the terminal says when the demo runs."""
    first, second = (f"http://{address(near(host), one)}" for one in (port, port + 1))
    kept = "removed when the demo stops" if temporary else "kept when the demo stops"
    by_hand = shlex.join(["sqlite3", database, "DELETE FROM coatcheck_sessions"])
    text = f"""
        Coatcheck demo: two server processes, one SQLite file.

          1. Open  {first}  in two browsers, or in a normal and a private window.
          2. Sign up in one of them, and sign in as the same user in the other.
          3. On the page "Devices" of one, sign the other one out.
          4. Reload the other: it is signed out at once, and at  {second}  too,
             which is the other process.

        Or end the sessions by hand, and reload:

          {by_hand}

        Database: {database} ({kept})
        Stop it with Ctrl-C.
        """
    return dedent(text).strip("\n") + _warning(host, port)


def _warning(host: str, port: int) -> str:
    if is_loopback(host):
        return ""
    works = "from this machine only" if is_every_address(host) else "for nobody, not even on this machine"
    tunnel = Settings(number=1, host=host, first_port=port, database="").tunnel
    text = f"""

        Signing in works {works}, as long as this is plain http: the session
        cookie is Secure and its name begins with __Host-, and browsers keep such a cookie
        only over https, or from localhost. From another machine, either

          - make a tunnel:  ssh {tunnel} <this machine>
            and open  http://127.0.0.1:{port}  there; or
          - put a TLS proxy on this machine in front of it, one that sets X-Forwarded-Proto.
        """
    return dedent(text).rstrip()

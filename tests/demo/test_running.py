"""Starting the demo, ending it, and what keeps it from starting."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

import coatcheck.demo
from coatcheck.demo.schema import prepare
from coatcheck.demo.supervisor import instructions
from tests.demo.processes import PASSWORD, Running, command, pids_of, running_demo, two_free_ports

if TYPE_CHECKING:
    from collections.abc import Sequence

DEADLINE = 20.0


def pages_of(demo: Running) -> list[str]:
    """Return each process's first page."""
    return [httpx2.get(demo.url(process)).text for process in (1, 2)]


def wait_until_gone(pids: Sequence[int]) -> None:
    """Wait for processes to end; those that nobody has asked for their exit code count as ended."""
    end = time.monotonic() + DEADLINE
    while any(map(_is_alive, pids)):
        assert time.monotonic() < end, f"still alive: {pids}"
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.processes
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_two_processes_serve_until_they_are_interrupted(ending: signal.Signals) -> None:
    """The terminal says where and how; at the end nothing is left, no process and no temporary file."""
    with running_demo() as demo:
        assert f"Open  {demo.url()}  in two browsers" in demo.said
        database = Path(demo.said.split("Database: ")[1].split(" (")[0])
        assert "removed when the demo stops" in demo.said
        assert database.exists()
        pids = pids_of(pages_of(demo))
        assert len({*pids, demo.process.pid}) == 3
        demo.process.send_signal(ending)
        assert demo.process.wait(DEADLINE) == 0
        assert demo.process.stdout is not None
        assert "Stopped." in demo.process.stdout.read()
        wait_until_gone(pids)
        assert not database.parent.exists()


@pytest.mark.processes
def test_both_processes_end_when_the_one_that_started_them_is_killed() -> None:
    with running_demo() as demo:
        pids = pids_of(pages_of(demo))
        demo.process.kill()
        wait_until_gone(pids)


@pytest.mark.processes
def test_when_one_process_dies_the_demo_ends_and_says_so() -> None:
    port = two_free_ports()
    with subprocess.Popen(command(port), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "Ctrl-C" not in process.stdout.readline():
            assert process.poll() is None
        pids = pids_of(pages_of(Running(process, port, "")))
        subprocess.run(["kill", "-KILL", str(pids[1])], check=True)
        _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert "a process has ended by itself" in errors
    wait_until_gone(pids)


@pytest.mark.processes
def test_a_database_that_was_named_is_kept_and_used_again(tmp_path: Path) -> None:
    database = tmp_path / "kept %20 ?#.sqlite3"
    account = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}
    headers = {"sec-fetch-site": "same-origin"}
    with running_demo("--database", str(database)) as demo:
        assert f"Database: {database} (kept when the demo stops)" in demo.said
        assert "set-cookie" in httpx2.post(f"{demo.url()}/sign-up", data=account, headers=headers).headers
    assert database.exists()
    with running_demo("--database", str(database)) as demo:
        assert "set-cookie" in httpx2.post(f"{demo.url(2)}/sign-in", data=account, headers=headers).headers


@pytest.mark.parametrize("taken", [1, 2])
def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str], taken: int) -> None:
    """Also when it is the second process's; and the fix is told."""
    port = two_free_ports()
    with socket.create_server(("127.0.0.1", port + taken - 1)):
        assert coatcheck.demo.run("127.0.0.1", port, None) == 1
    error = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{port + taken - 1} (Address already in use)" in error
    assert f"try --port {port + 10}" in error


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("no-such-host.invalid", 8000, "use an address of this machine"),
        ("127.0.0.1", 0, "port 0 is not possible: use 1 to 65534"),
        ("127.0.0.1", 65_535, "port 65535 is not possible"),
        ("127.0.0.1", -1, "port -1 is not possible"),
    ],
)
def test_an_impossible_address_is_explained(
    capsys: pytest.CaptureFixture[str], host: str, port: int, words: str
) -> None:
    assert coatcheck.demo.run(host, port, None) == 1
    assert words in capsys.readouterr().err


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, login TEXT)")
        connection.commit()


def _newer(path: Path) -> None:
    prepare(str(path))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE coatcheck_meta SET schema = 99")
        connection.commit()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda path: path.write_text("no database " * 100), "not a database", id="no database"),
        pytest.param(lambda path: path.mkdir(), "unable to open", id="a folder"),
        pytest.param(_foreign, "users table of another application", id="another application's"),
        pytest.param(_newer, "upgrade coatcheck", id="of a newer release"),
    ],
)
def test_a_database_that_cannot_be_used_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, make: object, words: str
) -> None:
    database = tmp_path / "demo.sqlite3"
    assert callable(make)
    make(database)
    assert coatcheck.demo.run("127.0.0.1", two_free_ports(), str(database)) == 1
    error = capsys.readouterr().err
    assert words in error
    assert str(database) in error


def test_a_missing_folder_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert coatcheck.demo.run("127.0.0.1", two_free_ports(), str(tmp_path / "nowhere" / "demo.sqlite3")) == 1
    assert f"the folder '{tmp_path}/nowhere' does not exist" in capsys.readouterr().err


def test_another_applications_database_is_left_alone(tmp_path: Path) -> None:
    """No table of ours is added to it."""
    database = tmp_path / "app.sqlite3"
    _foreign(database)
    coatcheck.demo.run("127.0.0.1", two_free_ports(), str(database))
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("users",)]


@pytest.mark.parametrize("package", coatcheck.demo.NEEDS)
def test_a_missing_package_is_one_line_and_how_to_install_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert coatcheck.demo.run("127.0.0.1", 8000, None) == 1
    assert capsys.readouterr().err == f"The demo lacks {package}. Install it with: pip install 'coatcheck[demo]'\n"


def test_importing_run_brings_no_package_in() -> None:
    """The command line asks for it before it knows that the demo is wanted."""
    program = "import coatcheck.demo, sys; print([name for name in coatcheck.demo.NEEDS if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("0.0.0.0", ["works from this machine only", "http://127.0.0.1:8000", "-L 8000:127.0.0.1:8000"]),  # noqa: S104
        ("::", ["works from this machine only", "http://[::1]:8000", "-L 8001:[::1]:8001"]),
        ("192.0.2.1", ["works for nobody", "http://192.0.2.1:8000", "-L 8000:192.0.2.1:8000"]),
    ],
)
def test_an_address_that_is_not_this_machine_alone_is_told_about_cookies(host: str, words: list[str]) -> None:
    said = instructions(host, 8000, "demo.sqlite3", temporary=False)
    assert all(word in said for word in [*words, "__Host-", "TLS proxy"])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_an_address_of_this_machine_alone_needs_no_warning(host: str) -> None:
    assert "__Host-" not in instructions(host, 8000, "demo.sqlite3", temporary=True)

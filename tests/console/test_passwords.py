"""The hashes of operators' passwords, and the command that makes them."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from coatcheck import ConfigurationError
from coatcheck.cli import main
from coatcheck.console import ConsoleOptions
from coatcheck.core.passwords import PasswordHash, hashed, parsed
from tests.console.desk import PASSWORD

if TYPE_CHECKING:
    from pathlib import Path

SALT, DIGEST = "A" * 22, "A" * 43


def test_a_hash_is_of_what_owasp_asks_for_and_fits_only_its_password() -> None:
    one = hashed("pässword of ada ﬁ")
    assert (one.log2_n, one.r, one.p, len(one.salt), len(one.digest)) == (17, 8, 1, 16, 32)
    again = parsed(one.text())
    assert again == one
    assert again.fits("pa\u0308ssword of ada fi")  # the same, typed on another keyboard
    assert not again.fits("password of ada fi")
    assert hashed("x").salt != hashed("x").salt
    assert repr(one) == "<PasswordHash>"


def test_scrypt_is_that_of_its_rfc() -> None:
    """RFC 7914 section 12, the second vector; of a digest of 64 octets these are the first 32."""
    digest = bytes.fromhex("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162")
    assert PasswordHash(10, 8, 16, b"NaCl", digest).fits("password")


@pytest.mark.parametrize("text", ["17:8:1", "16:8:2", "15:8:3", "14:8:5", "13:8:10", "18:8:1", "20:8:1"])
def test_what_owasp_lists_and_more_is_taken(text: str) -> None:
    assert parsed(f"scrypt:{text}:{SALT}:{DIGEST}") is not None


@pytest.mark.parametrize(
    "text",
    [
        *(
            f"scrypt:{cost}:{SALT}:{DIGEST}"
            for cost in ("16:8:1", "13:8:9", "12:8:20", "17:4:2", "17:8:0", "21:8:1", "17:99:1")
        ),
        f"scrypt:17:8:1:{SALT}:{DIGEST}=",
        f"scrypt:17:8:1:{SALT[1:]}:{DIGEST}",
        f"bcrypt:17:8:1:{SALT}:{DIGEST}",
        "",
        "correct horse battery",
    ],
)
def test_what_is_weaker_or_no_hash_is_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^console operators\[0\] is no name with a hash") as caught:
        ConsoleOptions(operators=(f"ada:{text}",))
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("path", "console"),
        ("path", "/console/"),
        ("path", "//console"),
        ("cookie", "a b"),
        ("idle_timeout", "2h"),
        ("lifetime", "25h"),
        ("recent_auth_within", "0s"),
        ("attempts", "0"),
        ("trusted_hops", "21"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(option: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from coatcheck import Settings

    environment = {"COATCHECK_STORE": "sqlite:///x.db", f"COATCHECK_CONSOLE_{option.upper()}": value}
    with pytest.raises(ConfigurationError, match=f"^COATCHECK_CONSOLE_{option.upper()}='{value}' is not possible"):
        Settings.load(environ=environment)


def test_an_operator_stands_there_once() -> None:
    line = f"ada:scrypt:17:8:1:{SALT}:{DIGEST}"
    with pytest.raises(ConfigurationError, match=r"operators\[1\] is ada once more"):
        ConsoleOptions(operators=(line, line))


def test_the_command_takes_a_password_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\nmore\n"))
    assert main(["console-password", "ada"]) == 0
    options = ConsoleOptions(operators=(capsys.readouterr().out.strip(),))
    assert options.password_hashes()["ada"].fits(PASSWORD)
    for name, typed, message in (("a:b", PASSWORD, "NAME='a:b'"), ("ada", "too short", "has 9 characters: use 15")):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{typed}\n"))
        assert main(["console-password", name]) == 2
        shown = capsys.readouterr()
        assert message in shown.err
        assert "too short" not in shown.err + shown.out


@pytest.mark.parametrize(("again", "code"), [(PASSWORD, 0), ("something else entirely", 2)])
def test_on_a_terminal_it_asks_twice_and_shows_nothing(tmp_path: Path, again: str, code: int) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "coatcheck", "console-password", "ada"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        said = _until(ours, b"Password: ")
        os.write(ours, f"{PASSWORD}\n".encode())
        said += _until(ours, b"again: ")
        os.write(ours, f"{again}\n".encode())
        assert process.stdout is not None
        line = process.stdout.read().decode().strip()
        assert process.wait() == code
    os.close(ours)
    assert PASSWORD.encode() not in said
    assert line.startswith("ada:scrypt:17:8:1:") is (code == 0)


def _until(terminal: int, words: bytes) -> bytes:
    said = b""
    while words not in said:
        said += os.read(terminal, 1024)
    return said

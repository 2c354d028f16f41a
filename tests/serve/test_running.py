"""`coatcheck serve` starts, says what is wrong, stops gracefully, and prints what proxies have to be told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from coatcheck import ConfigurationError, ServeOptions
from coatcheck.cli import main
from coatcheck.serve import running
from coatcheck.serve.proxies import FILES, configuration
from tests.servers.gate import ServedGate
from tests.servers.processes import children
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from pathlib import Path

    from coatcheck import Settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.processes
@pytest.mark.parametrize("server", running.SERVERS)
def test_it_stops_when_it_is_told_to_with_all_its_workers(server: str) -> None:
    """And without a word of complaint."""
    with ServedGate({"SERVE_TOKEN_LIFETIME": "2m"}, workers=2, server=server) as gate:
        workers = children(gate.pid)
        gate.stop()
        assert "Traceback" not in gate.log
        until(lambda: not any(_alive(pid) for pid in workers), "the workers have ended")


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - it may go meanwhile
            return file.read().rpartition(")")[2].split()[0] not in "XZ"
    except FileNotFoundError:
        return False


@pytest.mark.processes
def test_what_is_wrong_is_one_line_and_no_worker_is_started(tmp_path: Path) -> None:
    """A wrong setting, a key that is too short, and a database that cannot be opened."""
    for environ, code, said in (
        ({"COATCHECK_SERVE_COOKIE": "a b"}, 2, "COATCHECK_SERVE_COOKIE='a b' is not possible"),
        ({"COATCHECK_SERVE_SERVICE_KEYS": "hunter2"}, 2, "COATCHECK_SERVE_SERVICE_KEYS[0] has 7 octets"),
        ({"COATCHECK_STORE": "sqlite:////nowhere/at/all.db"}, 2, "all.db"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "coatcheck", "serve", "--port", "1", "--workers", "2"],
            env={**_environment(), **environ},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.startswith("coatcheck: ")
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
        assert "hunter2" not in done.stderr


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("COATCHECK_")}


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {"uvicorn", "granian"}
    monkeypatch.setattr(running, "find_spec", lambda name: None if name in lacking else name)
    with pytest.raises(ConfigurationError, match=r"serve needs granian or uvicorn: pip install 'coatcheck\[serve\]'$"):
        running.server_for(None)
    with pytest.raises(ConfigurationError, match=r"serve needs uvicorn: pip install 'coatcheck\[serve\]' uvicorn$"):
        running.server_for("uvicorn")
    lacking.remove("uvicorn")
    assert running.server_for(None) == "uvicorn"
    lacking.add("fastapi")
    with pytest.raises(ConfigurationError, match="serve needs fastapi: "):
        running.server_for(None)


def test_the_workers_find_what_was_typed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Options count for more than the environment, also in processes that see only the latter."""
    seen: dict[str, object] = {}

    def serve(settings: Settings, **how: object) -> int:
        seen.update(how, store=settings.store)
        return 0

    monkeypatch.setattr(running, "serve", serve)
    monkeypatch.setenv("COATCHECK_STORE", "sqlite:///other.db")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    (folder / "gate.toml").write_text('[coatcheck.serve]\nsign_in_url = "/login"\n')
    typed = ["--store", "sqlite:///typed.db", "--config", "gate.toml", "--workers", "3", "--server", "uvicorn"]
    assert main(["serve", *typed]) == 0
    assert seen == {"store": "sqlite:///typed.db", "server": "uvicorn", "host": "127.0.0.1", "port": 8100, "workers": 3}
    assert os.environ["COATCHECK_STORE"] == "sqlite:///typed.db"
    assert os.environ["COATCHECK_CONFIG"] == "gate.toml"


def test_without_a_store_it_is_a_file_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "serve", lambda *_, **__: 0)
    monkeypatch.setattr(os, "environ", _environment())
    assert main(["serve"]) == 0
    assert os.environ["COATCHECK_STORE"] == "sqlite:///coatcheck.db"


@pytest.mark.parametrize("proxy", FILES)
def test_a_proxy_is_told_the_names_as_they_are_configured(
    proxy: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "STORE": "sqlite:///app.db",
        "SERVE_HEADERS": "user=Remote-User,email",
        "SERVE_HEADER_PREFIX": "X-Shop-",
        "SERVE_COOKIE": "__Host-shop",
        "HOST": "::1",
        "PORT": "9000",
    }.items():
        monkeypatch.setenv(f"COATCHECK_{name}", value)
    assert main(["serve", "--print-config", proxy]) == 0
    text = capsys.readouterr().out
    assert "{{" not in text
    assert "[::1]:9000" in text
    assert "coatcheck-user" not in text.lower()
    for header in ("Remote-User", "X-Shop-Email", "X-Shop-Sign-In"):
        assert header in text or header.lower() in text or proxy == "caddy"
    if proxy in {"traefik", "envoy"}:  # which are not started here
        assert yaml.safe_load(text)
    if proxy == "traefik":
        forward = yaml.safe_load(text)["http"]["middlewares"]["coatcheck"]["forwardAuth"]
        pattern = re.compile(forward["authResponseHeadersRegex"])
        assert all(map(pattern.match, ["X-Shop-User", "x_shop-email", "X_SHOP_X", "remote_user", "Remote-User"]))
        assert not any(map(pattern.match, ["X-Shopping", "Remote-Users", "User-Agent", "X-Forwarded-For"]))


def test_the_address_of_a_service_in_kubernetes_is_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is named coatcheck gives every container such a variable."""
    seen: dict[str, object] = {}

    def serve(_: Settings, **how: object) -> int:
        seen.update(how)
        return 0

    monkeypatch.setattr(running, "serve", serve)
    monkeypatch.setattr(os, "environ", {**_environment(), "COATCHECK_PORT": "tcp://10.96.7.7:8100"})
    assert main(["serve"]) == 0
    assert seen["port"] == 8100


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(
            ("header_prefix", prefix)
            for prefix in ("X-", "X-Shop", "-", "X_Shop-", "X-Forwarded-For-", "Sec-Shop-", "")
        ),
        *(
            ("headers", (name,))
            for name in ("user=Host", "user=Set-Cookie", "user=X_User", "user=Authorization", "age")
        ),
        *(("sign_in_url", url) for url in ("login", "//evil.example", "javascript:alert(1)", "https://a/?b", "/a b")),
        *(("origins", (origin,)) for origin in ("shop.example.org", "https://*.example.org", "https://a/b")),
        ("cookie", "a b"),
        ("cookie_domain", "example.org"),  # with __Host-
        ("cookie_same_site", "sometimes"),
        ("next_parameter", "a&b"),
        ("token_header", "Cookie"),
        ("headers", ("user=X-Coatcheck-Email", "email")),
    ],
)
def test_what_cannot_be_is_refused_at_the_start(option: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=rf"^serve {option.rstrip('s')}"):
        ServeOptions(**{option: value})  # type: ignore[arg-type]


def test_caddy_leaves_a_token_that_the_gate_reads_and_drops_any_other() -> None:
    """Where the identity token takes the place of the client's own `Authorization`, which may carry an API token."""
    signed: dict[str, Any] = {"token_keys": ("a.pem",), "token_issuer": "gate", "token_audience": ("shop",)}
    reading: list[tuple[dict[str, Any], bool]] = [({}, True), ({"api_tokens": True}, False), ({"bearer": True}, False)]
    for reads, drops in reading:
        options = ServeOptions(token_header="Authorization", **signed, **reads)
        text = configuration("caddy", options, "::1", 1)
        assert ("request_header -Authorization" in text) is drops
        assert "copy_headers X-Coatcheck-User" in text

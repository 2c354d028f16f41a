"""The example and the page: a shop in Node behind nginx and the gate, and the configurations as they are printed."""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import httpx2
import pytest

from coatcheck import Settings
from coatcheck.configuration.serve_options import ServeOptions
from coatcheck.serve.proxies import FILES, configuration
from tests.serve.proxied import SERVICE_KEY
from tests.servers.gate import ServedGate
from tests.servers.installations import program
from tests.servers.nginx import Nginx
from tests.servers.server import Server

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "gate"
ENVIRON = {"COATCHECK_SERVE_SERVICE_KEYS": SERVICE_KEY}


class Shop(Server):
    """The example's application."""

    name: ClassVar[str] = "shop"

    def __init__(self, gate: ServedGate) -> None:
        self.binary = program("node")
        super().__init__()
        self._gate = gate

    def command(self) -> Sequence[str]:
        return [self.binary, str(EXAMPLE / "app.mjs")]

    def account(self) -> dict[str, Any]:
        return {"env": {**os.environ, **ENVIRON, "GATE": self._gate.address, "PORT": str(self.port)}}

    def answers(self) -> bool:
        try:
            return httpx2.get(f"http://127.0.0.1:{self.port}/login").status_code == 200
        except httpx2.TransportError:
            return False


class ExampleGate(ServedGate):
    """A gate with the example's settings."""

    def command(self) -> Sequence[str]:
        shutil.copy(EXAMPLE / "coatcheck.toml", self.folder)
        place = ["--config", "coatcheck.toml", "--store", self.store, "--port", str(self.port)]
        return [sys.executable, "-m", "coatcheck", "serve", *place]


@pytest.mark.processes
def test_a_shop_in_another_language_behind_nginx_and_the_gate() -> None:
    """Sign in, be somebody, and be nobody after signing out everywhere."""
    with ExampleGate({"SERVE_SERVICE_KEYS": SERVICE_KEY}) as gate, Shop(gate) as shop:
        site = (EXAMPLE / "nginx.conf").read_text()
        ports = {"127.0.0.1:8080": "127.0.0.1:{port}", "127.0.0.1:8100": f"127.0.0.1:{gate.port}"}
        for fixed, free in {**ports, "127.0.0.1:3000": f"127.0.0.1:{shop.port}"}.items():
            assert fixed in site
            site = site.replace(fixed, free)
        with Nginx(site) as nginx, httpx2.Client(base_url=nginx.address, timeout=30) as browser:
            page = browser.get("/orders", headers={"Accept": "text/html", "X-Coatcheck-User": "root"})
            assert (page.status_code, page.headers["location"]) == (302, "/login?next=%2Forders")
            own = {"Sec-Fetch-Site": "same-origin"}
            answer = browser.post(page.headers["location"], data={"name": "Ada ✓"}, headers=own)
            assert (answer.status_code, answer.headers["location"]) == (303, "/orders")
            cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
            assert browser.get("/orders", headers=cookie).json() == {"user": "Ada ✓", "path": "/orders"}
            assert browser.post("/login?next=//evil.example", data={"name": "eve"}).headers["location"] == "/"
            assert browser.post("/everywhere", headers={**cookie, **own}).status_code == 200
            assert browser.get("/orders", headers=cookie).status_code == 401


def test_the_example_is_what_is_printed_with_a_port_and_a_sign_in_page() -> None:
    text = (EXAMPLE / "coatcheck.toml").read_text()
    assert set(tomllib.loads(text)) == {"coatcheck"}
    options = Settings.load(EXAMPLE / "coatcheck.toml", environ={}).serve
    printed = configuration("nginx", options, "127.0.0.1", 8100)
    begin, end = printed.index("    location / {"), printed.index("    location @coatcheck_sign_in")
    example = (EXAMPLE / "nginx.conf").read_text()
    assert printed[begin:end] in example
    assert printed[: printed.index("server {\n    listen")] in example


@pytest.mark.parametrize("proxy", FILES)
def test_the_page_shows_what_is_printed(proxy: str) -> None:
    assert configuration(proxy, ServeOptions(), "127.0.0.1", 8100) in (ROOT / "docs" / "gate.md").read_text()

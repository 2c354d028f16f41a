"""`coatcheck check --site`: a real site over TLS, and what it says of coming back without."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from coatcheck.describe.web import transport_security_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.conftest import Result

    Run = Callable[..., Result]

STORE = ("check", "--store", "sqlite:///app.db")


def certificate(path: Path) -> str:
    """Write a key and a certificate that vouches for itself, as strict verifiers want it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(host, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(pem))
    return str(path)


class Site:
    """A site that sends one header, or none."""

    said: str | None = None

    def __init__(self, pem: str) -> None:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(302)
                self.send_header("Location", "https://elsewhere.example/")
                if site.said is not None:
                    self.send_header("Strict-Transport-Security", site.said)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}/"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    pem = certificate(tmp_path / "site.pem")
    monkeypatch.setenv("SSL_CERT_FILE", pem)
    site = Site(pem)
    thread = threading.Thread(target=site.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


def test_H3_a_site_without_strict_transport_security_is_unsafe(run: Run, site: Site, sessions: Any) -> None:
    """Also one that keeps it for a day, and one that says it in no way that browsers know."""
    assert run(*STORE, "--site", site.url).code == 1
    for said in ("max-age=86400; includeSubDomains", "includeSubDomains", "max-age=x", ""):
        site.said = said
        result = run(*STORE, "--site", site.url)
        assert (result.code, "UNSAFE H3 strict_transport_security" in result.out) == (1, True)


def test_H3_a_year_is_enough(run: Run, site: Site, sessions: Any) -> None:
    site.said = 'Max-Age="31536000" ; includeSubDomains; preload'
    result = run(*STORE, "--site", site.url)
    assert "strict_transport_security     365 days, its subdomains too\n" in result.out
    assert (result.code, "no unsafe setting" in result.out) == (0, True)
    assert "send it from your application or proxy" in run(*STORE).out


def test_H3_a_site_that_nobody_can_be_sure_of_is_no_answer(
    run: Run, site: Site, sessions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    unsure = run(*STORE, "--site", site.url)
    assert (unsure.code, "certificate" in unsure.err.lower()) == (3, True)
    site.server.server_close()
    assert run(*STORE, "--site", "https://127.0.0.1:1/").code == 3
    for url in ("http://shop.example", "shop.example", "https://", "https://a:b@shop.example"):
        assert run(*STORE, "--site", url).code == 2


@pytest.mark.parametrize("said", ["max-age=1; max-age=31536000", "max-age=-1", "max-age=9e9", ";;;", "max-age"])
def test_H3_what_browsers_would_not_take_counts_for_nothing(said: str) -> None:
    assert transport_security_line(said).unsafe

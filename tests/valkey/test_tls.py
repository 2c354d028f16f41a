"""TLS: the server's certificate is verified, and ours is shown where it is wanted."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.servers.installations import program
from tests.servers.ports import Port
from tests.servers.valkey import Valkey
from tests.valkey.test_settings import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.valkey.sides import Side

    Connect = Callable[..., Side]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return the path of a certificate for 127.0.0.1, signed by itself, with its key beside it."""
    path = tmp_path / "cert.pem"
    kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    name = ["-subj", "/CN=coats", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(path)]
    subprocess.run([program("openssl"), *kind, *name, *files], check=True, capture_output=True)
    return path


@pytest.fixture
def port(certificate: Path) -> Iterator[int]:
    """Start the system's Redis, which can speak TLS, and return the port where it does."""
    port = Port()
    key = str(certificate.with_name("key.pem"))
    tls = {"tls-port": str(port.number), "tls-cert-file": str(certificate), "tls-key-file": key}
    with Valkey(program("redis-server"), settings={**tls, "tls-ca-cert-file": str(certificate)}):
        yield port.number
    port.close()


def test_a_certificate_that_is_trusted(port: int, certificate: Path, connect: Connect) -> None:
    """The client's own is wanted too, which is what the server does by default."""
    key = certificate.with_name("key.pem")
    files = f"ssl_ca_certs={certificate}&ssl_certfile={certificate}&ssl_keyfile={key}"
    side = connect(f"valkeys://127.0.0.1:{port}/0?{files}")
    token_hash, row = side.added()
    assert side.read(token_hash).record == row
    assert side.do("news", 0, 0.01) == 0


def test_a_certificate_that_is_not_trusted(port: int, kind: str) -> None:
    refused(kind, f"valkeys://:sesame@127.0.0.1:{port}", "certificate")

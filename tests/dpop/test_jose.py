"""Proofs of another implementation are good here: those of `jose`, which most clients in JavaScript sign with."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from coatcheck.core.jose.jwts import ProofRefused
from tests.dpop.test_proofs import TOKEN, URL, check
from tests.support import missing

HERE = Path(__file__).parent


def test_J8_the_proofs_of_another_implementation_are_good() -> None:
    node = shutil.which("node") or missing("node is not installed")
    if not (HERE.parents[1] / "node_modules" / "jose").exists():
        missing("node_modules/jose is not installed: npm ci")
    asked = [{"alg": alg, "method": "GET", "url": URL, "token": TOKEN} for alg in ("ES256", "RS256", "EdDSA", "ES384")]
    sent = "".join(json.dumps(each) + "\n" for each in asked)
    answer = subprocess.run(
        [node, str(HERE / "jose.mjs")], input=sent, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    es256, rs256, *others = map(json.loads, answer.stdout.splitlines())
    for made in (es256, rs256):
        assert check(made["proof"], thumbprint=made["thumbprint"]).thumbprint == made["thumbprint"]
        head, claims, signature = made["proof"].split(".")
        with pytest.raises(ProofRefused, match="has not signed"):
            check(f"{head}.{claims}.{signature[:9]}{'A' if signature[9] != 'A' else 'B'}{signature[10:]}")
    assert len(others) == 2
    for made in others:
        with pytest.raises(ProofRefused, match="not signed with ES256 or RS256"):
            check(made["proof"])

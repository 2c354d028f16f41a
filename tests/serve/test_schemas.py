"""Schemathesis asks both APIs what their descriptions allow, and much that they do not, and finds nothing.

`HYPOTHESIS_PROFILE=thorough` lets it ask longer.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from coatcheck import Sessions
from tests.serve.proxied import KEY, SERVICE_KEY
from tests.support import missing
from tools.write_openapi import INTERNAL_PATH, PATH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.servers.gate import ServedGate

pytestmark = [pytest.mark.processes, pytest.mark.timeout(1800)]

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
EXAMPLES = 300 if THOROUGH else 3
ENDINGS = ("sign_out", "revoke_all_sessions", "revoke_other_sessions")
"""What ends the session that it is asked with."""

# A body that is too large is refused as 413 before anybody looks at what is wrong with it; and what is longer than the
# store can keep, in bytes, no schema can say.
SETTINGS = """
[auth.openapi]
{auth}
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 413, 415, 422, 501]
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 413, 422]
"""


def findings(folder: Path, description: Path, gate: ServedGate, auth: str, more: Sequence[str] = ()) -> str:
    """Run it on a description; returns what it has found, which is nothing."""
    if importlib.util.find_spec("schemathesis") is None:
        missing("schemathesis is not installed")
    settings = folder / "schemathesis.toml"
    settings.write_text(SETTINGS.format(auth=auth))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings)),
            *("run", str(description), "--url", gate.address, "--max-examples", str(EXAMPLES)),
            *("--generation-deterministic", "--no-color", "--suppress-health-check", "all", *more),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else (done.stdout + done.stderr)[-6000:]


def test_the_internal_api_does_what_its_description_says(gate: ServedGate, tmp_path: Path) -> None:
    assert findings(tmp_path, INTERNAL_PATH, gate, f'service_key = {{ bearer = "{SERVICE_KEY}" }}') == ""


@pytest.mark.parametrize("ends", [False, True] if THOROUGH else [False])
def test_the_json_api_does_what_its_description_says(ends: bool, gate: ServedGate, tmp_path: Path) -> None:
    """With a session, which what ends it takes away: that comes by itself."""
    with Sessions(gate.store, keys=[KEY]) as sessions:
        token = sessions.create("ada").token.reveal()
    flag = "--include-operation-id" if ends else "--exclude-operation-id"
    chosen = [word for name in ENDINGS for word in (flag, name)]
    own = ["--header", "Sec-Fetch-Site: same-origin"]
    auth = f'session = {{ api_key = "{token}" }}'
    assert findings(tmp_path, PATH, gate, auth, [*chosen, *own]) == ""

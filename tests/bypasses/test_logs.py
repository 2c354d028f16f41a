"""Nothing that works as a credential is in a log, whatever went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bypasses.conftest import KEY

if TYPE_CHECKING:
    from tests.bypasses.conftest import Attacked

pytestmark = pytest.mark.processes


def test_T9_CVE_2023_20866_no_log_names_a_token(site: Attacked) -> None:
    """Of any test before this one, at the level of debugging; with errors of the application and of the server."""
    owner = site.signed_in("logged")
    owner.get("/look/no-such-way")
    owner.get("/%00%ff/" + "x" * 100)
    owner("POST", "/in/" + "x" * 300)
    site.wire.ask("GET", "/me", f"{owner.line}\x01")
    owner.post("/out")
    log = site.log
    assert "POST" in log or "DEBUG" in log
    for token in owner.seen:
        assert token not in log
        assert token.partition(".")[0] not in log
    assert KEY not in log

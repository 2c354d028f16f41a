"""`coatcheck audit`: what happened to sessions, and who did it (S15)."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from coatcheck import AuditTrail, Policy, Sessions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Result

    Run = Callable[..., Result]

STORE = ("--store", "sqlite:///app.db")
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture
def session_id(sessions: Sessions) -> str:
    """Sign a user in, with an audit trail."""
    with Sessions("sqlite:///app.db", policy=Policy(audit_keep_for=timedelta(days=30))) as audited:
        created = audited.create("ada", ip="192.0.2.1", user_agent="curl/8.5.0")
        AuditTrail(audited).record("mailed", user_id="bob", detail="a\tb")
    return created.session.id


def test_S15_it_lists_entries_newest_first(run: Run, session_id: str) -> None:
    result = run("audit", *STORE)
    assert (result.code, result.err) == (0, "")
    head, *lines = (re.split(r"  +", line) for line in result.out.splitlines())
    assert head == ["AT", "ACTION", "ACTOR", "USER", "SESSION", "ADDRESS", "DETAIL"]
    assert [line[1:] for line in lines] == [
        ["mailed", "-", "bob", "-", "-", "a?b"],
        ["created", "-", "ada", session_id, "192.0.2.1", "curl 8"],
    ]
    assert all(re.fullmatch(TIME, line[0]) for line in lines)
    assert run("audit", "--user", "ada", "--limit", "1", *STORE).out.splitlines()[1:] == result.out.splitlines()[2:]


def test_S15_what_the_command_line_ends_is_in_it(run: Run, session_id: str, tmp_path: Path) -> None:
    """With the name that the system has for whoever typed it, where the settings keep a trail."""
    (tmp_path / "coatcheck.toml").write_text(
        '[coatcheck]\nstore = "sqlite:///app.db"\n[coatcheck.policy]\naudit_keep_for = "30d"\n'
    )
    settings = ("--config", str(tmp_path / "coatcheck.toml"))
    assert "policy.audit_keep_for         30 days" in run("check", *settings).out
    assert run("sessions", "revoke", session_id, *settings).code == 0
    assert run("sweep", *settings).code == 0
    (entry,) = json.loads(run("audit", "--action", "revoked", "--json", "--since", "1h", *settings).out)
    assert entry["actor"].startswith("os")
    assert (entry["user_id"], entry["session_id"], entry["detail"]) == ("ada", session_id, "")
    assert re.fullmatch(TIME, entry["at"])
    assert json.loads(run("audit", "--json", "--since", "2100-01-01", *settings).out) == []


def test_a_time_that_is_none_is_refused(run: Run, sessions: Sessions) -> None:
    result = run("audit", "--since", "yesterday", *STORE)
    assert result.code == 2
    assert "yesterday is not possible: use a duration such as 7d, or a time such as 2026-01-31T12:00Z" in result.err

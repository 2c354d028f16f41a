"""Tests that other people wrote: those of Flask, Starlette and Litestar about sessions, against ours.

They come from source distributions; Litestar's have no tests since 2.14, so those of 2.13 run against the Litestar that
is installed. Each runs in a process of its own with a plugin beside this file, which puts our extension, middleware or
plugin where they put theirs. What they want otherwise is listed with its reason, as in docs/other-tests.md, and with
the line it fails at; a test that begins to fail, or to pass, is noticed. Django's are in tests/django/test_upstream.py.
The source distributions of starsessions and Flask-Session have no tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.upstream import source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Path(__file__).parent


class Run(NamedTuple):
    """The tests of one project.

    Attributes:
        release: Which release they are of; None for the installed one.
        files: Where they are.
        only: Which of them are about sessions, as pytest's -k has it.
        least: How many there were: a run that finds fewer has not looked well.
        different: Those that want something else, and a part of the line they fail at.
        options: More for pytest.
    """

    release: str | None
    files: Sequence[str]
    only: str
    least: int
    different: Mapping[str, str]
    options: Sequence[str] = ()


RUNS = {
    "flask": Run(
        None,
        [f"tests/test_{name}.py" for name in ("basic", "testing", "reqctx", "helpers", "config")],
        "(session or flash) and not dynamic_cookie_name and not session_error and not session_lifetime",
        21,
        {
            # A cookie is always sent with SameSite, and never Partitioned.
            "test_session_using_session_settings": '"partitioned" in cookie',
            "test_session_using_samesite_attribute": '"samesite" not in cookie',
            # Without a secret key there are sessions too, and they do not depend on it.
            "test_missing_session": "DID NOT RAISE",
            "test_session_transactions_no_null_sessions": "DID NOT RAISE",
            "test_session_secret_key_fallbacks": "assert client.get().json == {}",
            # Whether the cookie outlives the browser is said at sign-in, or once for all.
            "test_session_expiration": "'NoneType' object has no attribute 'group'",
            # A request that only reads sends no cookie, so it does not depend on one either.
            "test_session_cookie_setting": "assert (set_cookie is not None) == expect_header",
            "test_session_refresh_vary": 'rv.headers["Vary"] == "Cookie"',
        },
    ),
    "starlette": Run(
        None,
        ["tests/middleware/test_session.py"],
        "not trio",
        15,
        {
            # The cookie ends with the session, which is some milliseconds old when it is sent.
            "test_session[asyncio]": "assert int(max_age_matches[1]) == 14 * 24 * 3600",
            "test_partitioned_session[asyncio-True]": '"partitioned" in attributes',
            # A session lives for a second at least; a setting that is less is refused.
            "test_session_expires[asyncio]": 'assert response.json() == {"session": {}}',
            "test_session_zero_max_age[asyncio]": '"; Max-Age=0; " in response.headers["set-cookie"]',
            # A mounted application is not told that the server starts: the outer one opens the sessions.
            "test_session_cookie_subpath[asyncio]": "assert response.status_code == 200",
            # A leading dot means nothing (RFC 6265bis 5.6.3), and is not sent.
            "test_domain_cookie[asyncio]": '"domain=.example.com" in set_cookie',
        },
    ),
    "litestar": Run(
        "2.13.0",
        [f"tests/unit/test_middleware/test_session/test_{name}.py" for name in ("middleware", "integration")],
        "",
        10,
        {
            # The application is not told the token (rule T9); what may be shown and logged is `session.id`.
            "test_session_id_correctness": "assert request_session_id == cookie_session_id",
            "test_keep_session_id": "assert first_call_id == second_call_id",
            # No route lies outside of the trust boundary; one that does not look at the session says nothing of it.
            "test_middleware_exclude_pattern": '{"has_session": False}',
            "test_middleware_exclude_flag": '{"has_session": False}',
            "test_middleware_exclude_custom_key": '{"has_session": False}',
        },
        ["--noconftest"],  # theirs starts servers with Docker
    ),
}


def outcomes(name: str, run: Run, folder: Path) -> dict[str, str]:
    """Run the tests of a project, and return what came of each."""
    place = source(name, run.release)
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    places = {"PYTHONPATH": path, "FOLDER": str(folder), "OUTCOMES": str(folder / "outcomes.json")}
    environment = {**os.environ, **places, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider"]
    command += [*run.options, f"--rootdir={place}", "-p", "anyio", "-p", "outcomes", "-p", f"on_{name}", "-k", run.only]
    done = subprocess.run(
        [*command, *(str(place / file) for file in run.files)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    found: dict[str, str] = json.loads((folder / "outcomes.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.processes
@pytest.mark.parametrize("name", RUNS)
def test_with_the_tests_of(name: str, tmp_path: Path) -> None:
    """All pass but those that are listed, and those fail where they are said to."""
    run = RUNS[name]
    found = outcomes(name, run, tmp_path)
    failed = {test: outcome for test, outcome in found.items() if outcome not in {"passed", "skipped"}}
    for test, line in run.different.items():
        assert line in failed.pop(test, ""), f"{test} does not fail as it should: {found.get(test)}"
    assert not failed, "\n".join(f"{test}\n{outcome}" for test, outcome in failed.items())
    assert len(found) >= run.least, found

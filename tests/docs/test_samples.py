"""Every Python sample of the README and the documentation runs, and prints what it says it prints."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

from tools import rule_tests

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(set((ROOT / "docs").glob("*.md")) - {rule_tests.PAGE})]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SERVERS = {"shop@db.internal/shop": "postgresql_url", "cache.internal:6379/0": "valkey_url"}
"""What the pages call their servers, and the fixtures that have real ones."""


def blocks_of(page: Path) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def with_servers(code: str, request: pytest.FixtureRequest) -> str:
    """Name the tests' own servers instead of those of the pages."""
    for place, fixture in SERVERS.items():
        if place in code:
            code = code.replace(place, request.getfixturevalue(fixture).partition("://")[2])
    return code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_samples_print_what_they_say(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """A page's samples run in their order, in one namespace and an empty folder; SQL in the page's own database."""
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(page)
    module = ModuleType(page.stem)
    if find_spec(page.stem) is None:  # frameworks look there for what annotations mean
        monkeypatch.setitem(sys.modules, page.stem, module)
    namespace = vars(module)
    for index, (language, code) in enumerate(blocks):
        if language == "sql":
            with psycopg.connect(request.getfixturevalue("postgresql_url")) as connection:
                connection.execute(code.encode())
                connection.rollback()  # what it does is tested elsewhere; roles would stay behind
        if language != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            # Not with this file's own __future__, which a reader does not have.
            sample = compile(with_servers(code, request), str(page), "exec", dont_inherit=True)
            exec(sample, namespace)  # noqa: S102 - this is what is tested
        follows = blocks[index + 1] if index + 1 < len(blocks) else ("", "")
        assert printed.getvalue() == (follows[1] if follows[0] == "text" else "")
    for value in reversed(namespace.values()):
        if type(value).__name__ in {"Cache", "Sessions"}:
            value.close()


def test_first_sample_signs_in_and_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's first sample is a complete application."""
    from fastapi.testclient import TestClient

    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    first = next(code for language, code in blocks_of(ROOT / "README.md") if language == "python")
    exec(compile(first, "README.md", "exec", dont_inherit=True), namespace)  # noqa: S102 - this is what is tested
    own = {"Sec-Fetch-Site": "same-origin"}
    with TestClient(namespace["app"], base_url="https://testserver", headers=own) as client:
        assert client.get("/me").status_code == 401
        page = client.get("/me", headers={"Accept": "text/html"}, follow_redirects=False)
        assert (page.status_code, page.headers["location"]) == (302, "/login?next=%2Fme")
        assert client.post("/sign-in?name=ada").status_code == 200
        cookie = client.cookies["__Host-session"]
        assert client.get("/me").json()["user"] == "ada"
        assert client.post("/sign-out").status_code == 200
        assert client.get("/me", headers={"Cookie": f"__Host-session={cookie}"}).status_code == 401


def test_first_sample_of_the_cache_loads_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers: each loads once, and both anew after one of them was told of a change."""
    from fastapi.testclient import TestClient

    monkeypatch.chdir(tmp_path)
    page = next(page for page in PAGES if page.name == "cache.md")
    first = next(code for language, code in blocks_of(page) if language == "python")
    counted = first.replace("    return [9.5, 12.0]", "    loads.append(product)\n    return [9.5, 12.0]")
    loads: list[str] = []
    workers: list[dict[str, Any]] = [{"loads": loads, "__name__": "shop"} for _ in range(2)]
    own = {"Sec-Fetch-Site": "same-origin"}
    with contextlib.ExitStack() as stack:
        clients: list[TestClient] = []
        for namespace in workers:
            exec(compile(counted, "cache.md", "exec", dont_inherit=True), namespace)  # noqa: S102 - it is what is tested
            client = TestClient(namespace["app"], base_url="https://testserver", headers=own)
            clients.append(stack.enter_context(client))
        for expected in (["hat"] * 2, ["hat"] * 4):
            for client in clients * 3:
                assert client.get("/prices/hat").json() == [9.5, 12.0]
            assert loads == expected
            assert clients[0].post("/prices/hat").status_code == 200


def test_readme_keeps_its_length() -> None:
    """The README is read in ten minutes: 110 to 160 lines, and the first sample before line 60."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert 110 <= len(lines) <= 160
    assert lines.index("```python") < 60


def test_tests_that_pages_name_exist() -> None:
    """What a page says is tested can be looked up."""
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for page in PAGES:
        for name in re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8")):
            assert f"def {name}(" in tests, f"{page.name} names {name}"


def test_links_between_pages_lead_somewhere() -> None:
    """No page of the repository links to a file that is not there."""
    for page in [*PAGES, *ROOT.glob("*.md"), *(ROOT / "docs" / "decisions").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            written = (page.parent / target).resolve() == rule_tests.PAGE  # by `make docs`
            assert written or (page.parent / target).exists(), f"{page.name} links to {target}"

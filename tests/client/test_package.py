"""What is published to npm: built, packed, installed and used as somebody else would."""

from __future__ import annotations

import json
import re
import tarfile
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.workshop import MODULES, NAME, PACKAGE, ROOT, Workshop
from tools.write_client_types import PATH, written

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST: dict[str, Any] = json.loads((PACKAGE / "package.json").read_text())
MODULE_NAMES = {path.stem for path in (PACKAGE / "src").glob("*.ts")}
COUNT = re.compile(r"^# (pass|fail|cancelled|skipped) (\d+)$", re.MULTILINE)
SAMPLE = re.compile(r"^```(tsx|js)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_its_types_are_those_of_the_json_api() -> None:
    """After a change of the API run `make generate`; `make check` compares them too."""
    assert PATH.read_text(encoding="utf-8") == written()


def test_it_is_released_with_the_python_package() -> None:
    """One version, one licence; and it needs nothing but what its user has anyway."""
    assert MANIFEST["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (PACKAGE / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert "dependencies" not in MANIFEST
    assert MANIFEST["peerDependencies"] == {"react": ">=19"}
    assert MANIFEST["peerDependenciesMeta"] == {"react": {"optional": True}}


@pytest.mark.processes
def test_its_own_tests_pass(workshop: Workshop) -> None:
    """Those of the core, under Node, with a server that answers as ordered and a clock that they move."""
    said = workshop.run(workshop.package, "node", "--test", "--test-reporter=tap", *_tests())
    counts = {name: int(number) for name, number in COUNT.findall(said)}
    assert counts.pop("pass") > 40
    assert counts == {"fail": 0, "cancelled": 0, "skipped": 0}


def _tests() -> list[str]:
    return [f"tests/{path.name}" for path in (PACKAGE / "tests").glob("*.test.mjs")]


@pytest.mark.processes
def test_it_packs_what_it_should_and_nothing_else(workshop: Workshop) -> None:
    with tarfile.open(workshop.tarball) as archive:
        packed = {name.removeprefix("package/") for name in archive.getnames()}
    built = {f"dist/{name}{end}" for name in MODULE_NAMES for end in (".js", ".d.ts")}
    assert packed == {"package.json", "README.md", "LICENSE"} | built


@pytest.mark.processes
def test_it_installs_into_an_empty_project_and_works(workshop: Workshop, tmp_path: Path) -> None:
    """Without a network, and without React."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    workshop.run(tmp_path, "npm", "install", str(workshop.tarball))
    assert [path.name for path in (tmp_path / "node_modules").iterdir() if path.name[0] != "."] == [NAME]
    (tmp_path / "use.js").write_text(
        f'import {{ createSessionClient }} from "{NAME}";\n'
        'const body = JSON.stringify({ id: "7", session_id: "s", exp: 4e9 });\n'
        "const client = createSessionClient({ fetch: async () => new Response(body) });\n"
        "console.log((await client.refresh()).session.id);\n"
    )
    assert workshop.run(tmp_path, "node", "use.js") == "7\n"


@pytest.mark.processes
def test_what_is_not_used_is_not_bundled(workshop: Workshop, tmp_path: Path) -> None:
    """Whoever wants the error class alone gets no client; whoever wants the client gets no React."""
    project = workshop.unpacked(tmp_path)
    sizes = {}
    for name in ("SessionError", "createSessionClient"):
        (project / "use.js").write_text(f'import {{ {name} }} from "{NAME}";\nglobalThis.used = {name};\n')
        config = (
            "export default { build: { lib: { entry: 'use.js', formats: ['es'], fileName: 'out' }, minify: true } }"
        )
        (project / "vite.config.mjs").write_text(config)
        workshop.run(project, str(MODULES / ".bin" / "vite"), "build", "--logLevel", "warn")
        [bundle] = (project / "dist").iterdir()
        text = bundle.read_text()
        assert ("BroadcastChannel" in text) == (name == "createSessionClient")
        assert "useSyncExternalStore" not in text
        sizes[name] = len(text)
    assert sizes["SessionError"] < 1_000 < sizes["createSessionClient"] < 11_000


@pytest.mark.processes
def test_samples_of_its_pages_compile(workshop: Workshop, tmp_path: Path) -> None:
    """With the types as packed, as strictly as TypeScript can, and as both kinds of project resolve modules."""
    project = workshop.unpacked(tmp_path)
    (project / "node_modules" / "react").symlink_to(MODULES / "react")
    (project / "node_modules" / "@types").symlink_to(MODULES / "@types")
    pages = [path.read_text(encoding="utf-8") for path in (PACKAGE / "README.md", ROOT / "docs" / "react.md")]
    samples = SAMPLE.findall("\n".join(pages))
    assert len(samples) == 5
    for number, (language, code) in enumerate(samples):
        (project / f"sample{number}.{'tsx' if language == 'tsx' else 'ts'}").write_text(code)
    (project / "package.json").write_text('{"type": "module"}')
    options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--jsx", "react-jsx", "--target", "es2022"]
    files = sorted(path.name for path in project.glob("sample*"))
    for module, resolution in (("nodenext", "nodenext"), ("esnext", "bundler")):
        how = ["--module", module, "--moduleResolution", resolution, "--types", ""]
        workshop.run(project, str(MODULES / ".bin" / "tsc"), *options, *how, *files)

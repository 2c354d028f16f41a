"""The npm package and its example, built from the sources as a release is."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.support import missing

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "node_modules"
PACKAGE = ROOT / "packages" / "client"
EXAMPLE = ROOT / "examples" / "react"
NAME = "coatcheck-client"
_MADE = shutil.ignore_patterns("node_modules", "dist", "*.tgz", "__pycache__", "*.db*")


class Workshop:
    """A folder with copies to build in, so that the checkout stays as it is."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("npm") is None:
            missing("npm is not installed")
        if not (MODULES / "typescript").exists():
            missing("node_modules/typescript is not installed: npm ci")
        self.folder = folder
        self.package = shutil.copytree(PACKAGE, folder / "client", ignore=_MADE)
        (folder / "node_modules").symlink_to(MODULES)
        self.run(self.package, "npm", "pack", "--silent")
        [self.tarball] = self.package.glob("*.tgz")

    def run(self, folder: Path, *command: str, **variables: str) -> str:
        """Run a program in a folder and return what it says; npm asks nobody for anything."""
        quiet = {
            "npm_config_offline": "true",
            "npm_config_audit": "false",
            "npm_config_cache": str(self.folder / "npm"),
        }
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | quiet | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def unpacked(self, project: Path) -> Path:
        """Put what was packed where a project's modules are, and return the project."""
        place = project / "node_modules" / NAME
        place.mkdir(parents=True)
        with tarfile.open(self.tarball) as archive:
            archive.extractall(place, filter="data")
        for each in (place / "package").iterdir():
            each.rename(place / each.name)
        (place / "package").rmdir()
        return project

    def pages(self, mode: str = "production") -> Path:
        """Build the example's pages with what was packed, and return their folder."""
        project = self.folder / mode
        if not project.exists():
            self.unpacked(shutil.copytree(EXAMPLE, project, ignore=_MADE))
            program = str(MODULES / ".bin" / "vite")
            self.run(project, program, "build", "--logLevel", "warn", "--mode", mode, NODE_ENV=mode)
        return project / "dist"

"""How Sphinx builds this documentation: `make docs`."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.path_costs import RESULTS, cost

project = "coatcheck"
author = "Coatcheck contributors"
project_copyright = f"2026, {author}"
release = version = installed_version("coatcheck")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist", "smartquotes"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"coatcheck {release}"


class Cost(SphinxRole):
    """A number of benchmarks/results.md: {cost}`name of a row`; a row that is gone is a warning, hence an error."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the number, with its unit."""
        self.env.note_dependency(str(RESULTS))
        try:
            return [nodes.Text(cost(self.text))], []
        except LookupError as error:
            logging.getLogger(__name__).warning(str(error), location=self.get_location())
            return [], []


def setup(app: Sphinx) -> None:
    """Add what the pages use besides the extensions."""
    app.add_role("cost", Cost())

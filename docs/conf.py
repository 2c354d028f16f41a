"""How Sphinx builds this documentation: `make docs`."""

from importlib.metadata import version as installed_version

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

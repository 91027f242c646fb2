"""How the pages of this folder become a site: ``sphinx-build -W docs docs/_build``."""

from importlib.metadata import version as installed

project = "deconfound"
author = "The deconfound authors"
version = release = installed(project)

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
myst_heading_anchors = 3

# A name between single backticks in a docstring is a link where the reference knows it.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config, model_post_init"}  # pydantic's own
napoleon_use_ivar = True

html_theme = "furo"
html_title = "deconfound"

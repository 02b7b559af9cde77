"""Settings of the documentation site; the whole repository is its source folder, so that README.md is a page of it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from textwrap import indent
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.python import PyObject
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.util.logging import getLogger

import goalspace
from goalspace import errors

project = "goalspace"
author = "The goalspace authors"
version = release = goalspace.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**", "examples/*.md", "web/*.md"]
include_patterns += ["bench/**/README.md", "recipes/**/README.md"]
exclude_patterns = ["docs/_templates", "**/node_modules"]

VERBS = ("label", "select", "retrieve", "compress", "correlate")

# pages, as /folder/name without its ending, in the order of the sidebar
NAVIGATION = {
    "docs/index": {
        "Guide": ["Overview </README>", "report", "explore", "update", "cluster", "evaluate", "redaction"],
        "Instruction data": [f"instructions/{verb}" for verb in VERBS],
        "Reference": ["goal-encoder", "cli", "api/index", "benchmarks"],
        "Project": ["/CONTRIBUTING", "/SECURITY", "/CHANGELOG", "decisions/README"],
        "Folders": ["/examples/*", "/recipes/**/README", "/bench/**/README", "/web/*"],
    },
    "docs/decisions/README": {"": ["0*"]},
}

myst_heading_anchors = 4
default_role = "py:obj"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "Blocks": "Blocks"}
napoleon_google_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

# a public name that does not exist is an error; a type of another package and a word in single backticks are not
nitpicky = True
nitpick_ignore_regex = [("py:obj", ".*"), ("py:.*", r"(?!goalspace\.).*|goalspace\.[a-z_]+\..*")]

templates_path = [str(Path(__file__).with_name("_templates"))]
html_theme = "pydata_sphinx_theme"
html_title = "goalspace"
html_sidebars = {"**": ["contents.html"]}
html_context = {"default_mode": "auto"}
html_additional_pages = {"index": "start.html"}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navbar_center": [],
    "footer_start": [],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}


def add_navigation(app: Sphinx, docname: str, source: list[str]) -> None:
    """Append the tables of contents of a page, which would be noise on the repository's page."""
    for caption, pages in NAVIGATION.get(docname, {}).items():
        lines = ["```{toctree}", ":hidden:", ":glob:", f":caption: {caption}", "", *pages, "```"]
        source[0] += "\n" + "\n".join(line for line in lines if line != ":caption: ") + "\n"


def type_returns(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put the annotated type above the text of a Returns section, where numpydoc expects it."""

    def typed(match: re.Match[str]) -> str:
        annotation = inspect.signature(obj).return_annotation
        return f"Returns\n-------\n{annotation}\n{indent(match[1], '    ')}"

    # lines without indentation that no indented line follows: text, not a type
    pattern = r"(?m)^Returns\n-------\n((?:\S.*(?:\n|\Z))++)(?!    )"
    lines[:] = re.sub(pattern, typed, "\n".join(lines)).splitlines()


def tidy_attributes(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep two names of one entry together, and drop the modules from types, as autodoc does for parameters."""
    for at, line in enumerate(lines):
        if match := re.match(r"(:ivar|:vartype) (\w+(?:, \w+)*):(.*)", line):
            field, names, text = match.groups()
            text = re.sub(r"\b([a-z]\w*\.)+", "", text) if field == ":vartype" else text
            lines[at] = f"{field} {names.replace(', ', ',')}:{text}"


def resolve_public(app: Sphinx, env: BuildEnvironment, node: Any, contnode: Any) -> nodes.reference | None:
    """Lead the name of a public object, with or without the module that defines it, to its page."""
    home, _, name = str(node["reftarget"]).rpartition(".")
    module = next((module for module in (goalspace, errors) if name in dir(module)), None)
    if node.get("refdomain") != "py" or module is None or home not in ("", getattr(module, name).__module__):
        return None
    target = f"{module.__name__}.{name}"
    domain = env.domains.python_domain
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, contnode)


def join_errors(app: Sphinx, doctree: nodes.document) -> None:
    """Keep a figure and its standard error on one line of a table."""
    for text in doctree.findall(nodes.Text):
        if " ± " in text and isinstance(text.parent.parent, nodes.entry):
            text.parent.replace(
                text, nodes.Text(text.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"))
            )


def check_reference(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of public names that docs/api/index.rst does not list."""
    missing = {f"goalspace.{name}" for name in goalspace.__all__ if name != "__version__"}
    for name in sorted(missing - set(env.domains.python_domain.objects)):
        getLogger(__name__).warning("%s is public but not listed.", name, location="docs/api/index")


def check_offline(app: Sphinx, exception: Exception | None) -> None:
    """Fail if a page loads a script, style, font or picture from the network."""
    remote = re.compile(
        r"""<(?:script|img|iframe|source)\b[^>]*\ssrc=["']?(?:https?:)?//"""
        r"""|<link\b(?=[^>]*(?:stylesheet|icon|preload))[^>]*href=["']?(?:https?:)?//"""
        r"""|(?:url\(|@import\s+)["']?(?:https?:)?//"""
    )
    files = [path for path in sorted(app.outdir.rglob("*")) if path.suffix in (".html", ".css", ".svg")]
    if loads := [str(path) for path in files if remote.search(path.read_text("utf-8"))]:
        raise SphinxError(f"These pages load something from the network: {', '.join(loads)}")


def setup(app: Sphinx) -> None:
    """Connect the functions above."""
    next(field for field in PyObject.doc_field_types if field.name == "variable").label = "Attributes"
    app.connect("source-read", add_navigation)
    app.connect("autodoc-process-docstring", type_returns, priority=400)  # napoleon has 500
    app.connect("autodoc-process-docstring", tidy_attributes, priority=600)
    app.connect("doctree-read", join_errors)
    app.connect("missing-reference", resolve_public)
    app.connect("env-check-consistency", check_reference)
    app.connect("build-finished", check_offline)

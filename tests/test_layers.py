"""The order of the packages: imports go down only, heavy packages wait, modules stay small, names resolve."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import goalspace

SRC = Path(goalspace.__file__).parent

# From top to bottom; packages on one line do not import each other in a cycle.
LAYERS = (
    "cli",
    "explorer instructions",
    "reports evaluation",
    "run",
    "edits increments",
    "factors",
    "links",
    "proposals training curation",
    "corpus encoders",
    "tables llm corex pages engine",
    "vectors",
    "language",
    "checked text progress estimate files mounts errors",
)
MAX_PLAIN_FILES = 12
MAX_MODULE_LINES = 400
MAX_BODY_LINES = 60
HEAVY = {
    "torch",
    "transformers",
    "sentence_transformers",
    "xllamacpp",
    "openai",
    "pandas",
    "polars",
    "pyarrow",
    "duckdb",
    "starlette",
    "uvicorn",
    "ray",
}


@dataclass(frozen=True)
class Import:
    """One import of a module, and when it happens: with the module, in a function, or never (typing)."""

    importer: str  # dotted, without "goalspace."
    imported: str  # dotted; with "goalspace." when it is ours
    when: str
    line: int

    @property
    def ours(self) -> str | None:
        """The module of goalspace that is imported, else None; "" is the package itself."""
        first, _, rest = self.imported.partition(".")
        return rest if first == "goalspace" else None

    def __str__(self) -> str:
        return f"{self.importer.replace('.', '/') or '__init__'}:{self.line} imports {self.imported}"


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix("__init__").rstrip(".")


def unit(module: str) -> str:
    """The top-level file or package of a module."""
    return module.partition(".")[0]


def imports_of(module: str, tree: ast.Module) -> Iterator[Import]:
    """All imports of a module, those of `importlib.import_module` and `require` with a literal name included."""

    def visit(node: ast.AST, when: str) -> Iterator[Import]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            when = "function"
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                yield from visit(child, "typing")
            children: list[ast.AST] = list(node.orelse)
        else:
            children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, when, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} has a relative import; write the whole name"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                whole = inner if inner.removeprefix("goalspace.") in MODULES else node.module
                yield Import(module, str(whole), when, node.lineno)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in ("import_module", "require", "__import__") and isinstance(
                node.args[0], ast.Constant
            ):
                yield Import(module, str(node.args[0].value), when, node.lineno)
        for child in children:
            yield from visit(child, when)

    return visit(tree, "module")


TREES = {module_name(path): ast.parse(path.read_text("utf-8")) for path in sorted(SRC.rglob("*.py"))}
MODULES = set(TREES)
PACKAGES = {module_name(path) for path in SRC.rglob("__init__.py")}
IMPORTS = [found for module, tree in TREES.items() for found in imports_of(module, tree)]
OURS = [found for found in IMPORTS if found.ours is not None]


def layer(module: str) -> int:
    """How far down a module stands."""
    name = unit(module)
    rows = [i for i, names in enumerate(LAYERS) if name in names.split()]
    assert len(rows) == 1, f"write '{name}' into its layer in LAYERS and in CONTRIBUTING.md"
    return rows[0]


@pytest.mark.parametrize("module", sorted({unit(module) for module in MODULES} - {""}))
def test_every_module_has_its_layer(module):
    assert 0 <= layer(module) < len(LAYERS)


def test_contributing_draws_these_layers():
    page = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
    drawing = page[page.index("```text\ncli\n") :].split("```")[1].removeprefix("text\n")
    assert tuple(" ".join(line.split()) for line in drawing.splitlines()) == LAYERS


def test_plain_files_are_few_and_modules_have_public_names():
    plain = [path.name for path in SRC.iterdir() if path.is_file() and path.suffix == ".py"]
    assert len(plain) <= MAX_PLAIN_FILES
    private = [module for module in MODULES if any(part.startswith("_") for part in module.split("."))]
    assert private == ["cli.__main__"]  # what `python -m` runs


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_and_functions_are_short(module):
    lines = (SRC / module.replace(".", "/")).with_suffix(".py")
    if not lines.is_file():
        lines = SRC / module.replace(".", "/") / "__init__.py"
    assert len(lines.read_text("utf-8").splitlines()) <= MAX_MODULE_LINES
    for node in ast.walk(TREES[module]):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert length <= MAX_BODY_LINES, f"{module}.{node.name} has a body of {length} lines"


def test_imports_go_down():
    wrong = [
        str(found)
        for found in OURS
        if found.importer and found.ours and layer(found.importer) > layer(found.ours)
    ]
    assert not wrong, "these go up: " + "; ".join(wrong)


def test_names_are_imported_from_where_they_are_defined():
    """`from goalspace import Corpus` inside the package would hide which layer it reaches into."""
    taken = {
        f"{module}:{node.lineno} takes {alias.name} from the package itself"
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "goalspace"
        for alias in node.names
        if alias.name not in MODULES and alias.name != "__version__"
    }
    assert not taken


def test_corex_knows_nothing_of_text():
    reached = {found.ours for found in OURS if unit(found.importer) == "corex"}
    assert {unit(str(module)) for module in reached} <= {"corex", "errors"}


def test_no_submodule_imports_the_init_of_its_package():
    """What several submodules share lives in a submodule, such as protocol.py."""
    wrong = [
        str(found)
        for found in OURS
        if found.ours in PACKAGES
        and found.importer.startswith(f"{found.ours}.")
        and not found.importer.endswith(".__main__")
    ]
    assert not wrong, "; ".join(wrong)


def check_no_cycle(edges: set[tuple[str, str]]) -> None:
    graph = TopologicalSorter[str]()
    for importer, imported in edges:
        graph.add(importer, imported)
    try:
        graph.prepare()
    except CycleError as error:
        pytest.fail("import cycle: " + " → ".join(error.args[1][::-1]))


def test_no_cycle_between_packages():
    check_no_cycle(
        {
            (unit(found.importer), unit(found.ours))
            for found in OURS
            if found.importer and found.ours and unit(found.importer) != unit(found.ours)
        }
    )


def test_no_cycle_between_modules():
    """However late the import happens."""
    check_no_cycle({(found.importer, found.ours) for found in OURS if found.importer and found.ours})


def test_heavy_packages_are_imported_in_functions_only():
    wrong = [str(f) for f in IMPORTS if f.when == "module" and unit(f.imported) in HEAVY]
    assert not wrong, "import these where they are used: " + "; ".join(wrong)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_module_opens_with_one_sentence(module):
    first = (ast.get_docstring(TREES[module]) or "").partition("\n")[0]
    assert first.endswith("."), f"the first line of the docstring is {first!r}"


def test_public_names_resolve_to_what_goalspace_defines():
    assert len(set(goalspace.__all__)) == len(goalspace.__all__)
    assert set(goalspace.__all__) <= set(dir(goalspace))
    for name in set(goalspace.__all__) - {"__version__"}:
        found = getattr(goalspace, name)
        assert found.__name__ == name
        home = importlib.import_module(found.__module__)
        assert found.__module__.startswith("goalspace.")
        assert getattr(home, name) is found
    with pytest.raises(AttributeError, match="no attribute 'nothing_like_it'"):
        _ = goalspace.nothing_like_it


def test_no_module_has_the_name_of_a_public_function():
    """Importing the submodule would put it in the function's place."""
    assert not {unit(module) for module in MODULES} & set(goalspace.__all__)

"""The benchmarks: what imports what, how long modules are, and that every script starts."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest

from bench.kit.paths import BENCH, ROOT

MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in BENCH.rglob("*.py")}
TREES = {module: ast.parse(path.read_text("utf-8")) for module, path in MODULES.items()}
SCRIPTS = sorted(
    module.removesuffix(".__main__")
    for module, path in MODULES.items()
    if "__main__" in path.read_text("utf-8")
)
PACKAGES = ("calls", "kit", "paper", "speed", "uses")


def test_packages():
    assert {module.split(".")[1] for module in MODULES} - {"__init__"} == set(PACKAGES)
    assert not [module for module in MODULES if re.search(r"\._(?!_)", module)]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_and_functions_are_short(module):
    assert len(MODULES[module].read_text("utf-8").splitlines()) <= 400
    for node in ast.walk(TREES[module]):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert not body or body[-1].end_lineno - body[0].lineno < 60, node.name


def test_packages_share_through_kit_only():
    for module, tree in TREES.items():
        package = module.split(".")[1]
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        ours = {name.split(".")[1] for name in imported if name.startswith("bench.")}
        assert ours <= {package, "kit"}, module


def test_make_and_docs_name_modules_that_exist():
    pages = [ROOT / "Makefile", *(ROOT / "docs").rglob("*.md")]
    named = {name for page in pages for name in re.findall(r"-m (bench[\w.]*)", page.read_text("utf-8"))}
    assert named
    assert named <= set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_starts(script):
    if script.endswith(("explorer", "screenshots")):
        pytest.importorskip("playwright")
    done = subprocess.run(
        [sys.executable, "-m", script, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.lower().startswith("usage")

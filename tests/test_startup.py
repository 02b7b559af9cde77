"""What starting goalspace loads: the help and an opened run must not wait for packages that they do not need."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HELP = """
from click.testing import CliRunner
from goalspace.cli import main
for arguments in [["--help"], *([name, "--help"] for name in main.commands)]:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0 and "Usage: " in result.output, result.output
"""
SLOW = {
    "torch",
    "transformers",
    "sentence_transformers",
    "sklearn",
    "scipy",
    "pandas",
    "polars",
    "pyarrow",
    "openai",
    "xllamacpp",
    "ray",
}


def loaded_by(code: str) -> set[str]:
    """Names of all modules in a fresh process that ran `code`."""
    script = f"import json, sys\n{code}\nsys.__stdout__.write(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import goalspace; dir(goalspace); goalspace.GoalspaceError", id="import"),
        pytest.param(HELP, id="help"),
        pytest.param("from goalspace.run import Run", id="open a run"),
    ],
)
def test_nothing_slow_is_loaded(code):
    assert sorted(loaded_by(code) & SLOW) == []


def test_help_loads_only_the_command_line():
    """Not even numpy: `goalspace --help` takes less than 0.1 s."""
    ours = {name.split(".")[1] for name in loaded_by(HELP) if name.startswith("goalspace.")}
    assert ours == {"cli", "errors"}
    assert "numpy" not in loaded_by(HELP)


def test_importing_the_package_loads_none_of_its_modules():
    assert [name for name in loaded_by("import goalspace") if name.startswith("goalspace.")] == []


def test_waiting_threads_leave_the_cores_to_others(tmp_path):
    """By what OpenMP says itself when it is loaded; a user may decide otherwise."""
    source = tmp_path / "texts.txt"
    source.write_text("one text\nanother text\n", encoding="utf-8")
    command = [
        "-m",
        "goalspace.cli",
        "embed",
        str(source),
        "--encoder",
        "minilm",
        "-o",
        str(tmp_path / "v.npy"),
    ]
    inherited = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    for chosen, expected in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        environment = {**inherited, "OMP_DISPLAY_ENV": "true", **chosen}
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stderr
        if "OMP_WAIT_POLICY" not in done.stderr:
            pytest.skip("this OpenMP does not show its settings")
        assert f"OMP_WAIT_POLICY = '{expected}'" in done.stderr

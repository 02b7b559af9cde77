"""Compare the artefacts of the examples between two versions of goalspace, except for versions and times.

    python -m bench.kit.versions OLD NEW

OLD and NEW are checkouts; the code in their src/ is run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from bench.kit.paths import ROOT

EXAMPLES = ROOT / "examples"
TEXTS, PROMPTS = EXAMPLES / "helpdesk.csv", EXAMPLES / "instructions.jsonl"
GOAL = "what makes customers unhappy"
COMMANDS = {
    "offline": ("discover", TEXTS, "--goal", GOAL),
    "recorded": ("discover", TEXTS, "--goal", GOAL, "--llm", "recorded:{recorded}"),
    "label": ("label", PROMPTS),
    "select": ("select", PROMPTS, "--budget", "40"),
    "retrieve": ("retrieve", PROMPTS, "--query", "Write a poem about the sea", "-k", "3"),
    "compress": ("compress", PROMPTS, "--items", "20"),
    "correlate": ("correlate", PROMPTS, "{half}"),
}
VOLATILE = {"created", "seconds", "version", "versions", "goalspace"}  # keys of JSON that may differ
PAGES = {".html", ".md"}  # in which wording may differ
DATA = re.compile(r'<script type="application/json"[^>]*>(.*?)</script>', re.DOTALL)
# <meta> holds the hashes of the code
CODE = re.compile(r"<meta\b[^>]*>|<style>.*?</style>|<script>.*?</script>", re.DOTALL)
DURATION = re.compile(r"[<\d.]+ (s|min|h)\b")


def write_inputs(folder: Path) -> dict[str, Path]:
    """Write the inputs that are not in examples/: every other instruction, and recorded proposals."""
    inputs = {"half": folder / "half.jsonl", "recorded": folder / "recorded.jsonl"}
    lines = PROMPTS.read_text(encoding="utf-8").splitlines(keepends=True)
    inputs["half"].write_text("".join(lines[::2]), encoding="utf-8")
    # any deterministic properties will do: a few words of each row
    proposals = [
        {"id": row.split(",")[0], "properties": sorted(set(re.findall(r"[a-z]{6,}", row)))[:3]}
        for row in TEXTS.read_text(encoding="utf-8").splitlines()[1:]
    ]
    inputs["recorded"].write_text("".join(json.dumps(p) + "\n" for p in proposals), encoding="utf-8")
    return inputs


def run(checkout: Path, out: Path, inputs: Mapping[str, Path]) -> dict[str, str]:
    """Run every command in the new folder `out` and return what each printed."""
    out.mkdir()
    printed = {}
    env = {**os.environ, "PYTHONPATH": str(checkout / "src"), "COLUMNS": "100"}
    for name, command in COMMANDS.items():
        arguments = [str(part).format(**inputs) for part in command]
        done = subprocess.run(
            [sys.executable, "-m", "goalspace.cli", *arguments, "-o", name],
            cwd=out,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{checkout}: {name} failed: {done.stderr}")
        printed[name] = done.stdout
    return printed


def without_volatile(value: Any) -> Any:
    """Return a JSON value without the keys that may differ between two runs."""
    if isinstance(value, dict):
        return {key: without_volatile(item) for key, item in value.items() if key not in VOLATILE}
    return [without_volatile(item) for item in value] if isinstance(value, list) else value


def is_same(old: Path, new: Path) -> bool:
    """Return whether two artefacts have the same contents, except for versions and times."""
    if old.read_bytes() == new.read_bytes():
        return True
    if old.suffix == ".json":
        values = (json.loads(path.read_text(encoding="utf-8")) for path in (old, new))
        a, b = map(without_volatile, values)
        return bool(a == b)
    if old.suffix == ".safetensors":
        a, b = load_file(old), load_file(new)
        return a.keys() == b.keys() and all(a[key].tobytes() == b[key].tobytes() for key in a)
    return old.suffix in PAGES and contents(old) == contents(new)


def contents(page: Path) -> tuple[str, list[Any]]:
    """Return what a page shows and the data inside it, without code, versions and durations."""
    text = page.read_text(encoding="utf-8")
    data = [without_volatile(json.loads(value)) for value in DATA.findall(text)]
    return DURATION.sub("", CODE.sub("", DATA.sub("", text))), data


def numbers_in(value: Any) -> Any:
    """Return a value with the numbers that each text states in its place."""
    if isinstance(value, dict):
        return {key: numbers_in(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [numbers_in(item) for item in value]
    return re.findall(r"\d[\d.,]*", value) if isinstance(value, str) else value


def compare(old: Path, new: Path) -> str:
    """Return how two artefacts compare: same, different, or different in wording only."""
    if is_same(old, new):
        return "same"
    if old.suffix in PAGES and numbers_in(contents(old)) == numbers_in(contents(new)):
        return "wording only"
    return "different"


def main() -> None:
    """Run both versions and print every artefact that differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    for name in ("old", "new"):
        parser.add_argument(name, type=Path, metavar=name.upper(), help=f"checkout of the {name} version")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        inputs = write_inputs(base)
        folders = base / "old", base / "new"
        checkouts = arguments.old.resolve(), arguments.new.resolve()
        printed = [run(checkout, out, inputs) for checkout, out in zip(checkouts, folders, strict=True)]
        files = [{path.relative_to(f) for path in f.rglob("*") if path.is_file()} for f in folders]
        for path in sorted(files[0] ^ files[1]):
            print("in one version only:", path)
        counts: Counter[str] = Counter()
        for path in sorted(files[0] & files[1]):
            result = compare(*(folder / path for folder in folders))
            counts[result] += 1
            if result != "same":
                print(f"{result}: {path}")
        for name in COMMANDS:
            old_lines, new_lines = (texts[name].splitlines() for texts in printed)
            changed = [pair for pair in zip_longest(old_lines, new_lines) if pair[0] != pair[1]]
            print(f"printed by {name}: {len(changed)} of {len(old_lines)} lines differ")
        print(dict(counts))


if __name__ == "__main__":
    main()

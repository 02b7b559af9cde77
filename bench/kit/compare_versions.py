"""The artefacts of the examples by two versions of goalspace, compared byte by byte but for versions and times.

python bench/kit/compare_versions.py OLD NEW, where both are checkouts (their src/ is what runs).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

EXAMPLES = Path(__file__).parents[2] / "examples"
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


def run(checkout: Path, out: Path, inputs: dict[str, Path]) -> dict[str, str]:
    """Run every command; return what each printed."""
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


def stable(value: Any) -> Any:
    """The value without what may differ between two runs."""
    if isinstance(value, dict):
        return {key: stable(item) for key, item in value.items() if key not in VOLATILE}
    return [stable(item) for item in value] if isinstance(value, list) else value


def same(old: Path, new: Path) -> bool:
    """Whether two artefacts hold the same, versions and times aside."""
    if old.read_bytes() == new.read_bytes():
        return True
    if old.suffix == ".json":
        return bool(stable(json.loads(old.read_text())) == stable(json.loads(new.read_text())))
    if old.suffix == ".safetensors":
        a, b = load_file(old), load_file(new)
        return a.keys() == b.keys() and all(a[key].tobytes() == b[key].tobytes() for key in a)
    return old.suffix in PAGES and contents(old) == contents(new)


def contents(page: Path) -> tuple[str, list[Any]]:
    """What a page shows and the data inside it, without code, versions and durations."""
    text = page.read_text()
    data = [stable(json.loads(found)) for found in DATA.findall(text)]
    return DURATION.sub("", CODE.sub("", DATA.sub("", text))), data


def numbers(value: Any) -> Any:
    """The value with the numbers that each text states in its place."""
    if isinstance(value, dict):
        return {key: numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [numbers(item) for item in value]
    return re.findall(r"\d[\d.,]*", value) if isinstance(value, str) else value


def main() -> None:
    """Run both versions and print every artefact that differs."""
    old, new = (Path(argument).resolve() for argument in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        inputs = {"half": base / "half.jsonl", "recorded": base / "recorded.jsonl"}
        lines = PROMPTS.read_text().splitlines(keepends=True)
        inputs["half"].write_text("".join(lines[::2]))
        texts = TEXTS.read_text().splitlines()[1:]
        # any deterministic properties do: two words of each row
        inputs["recorded"].write_text(
            "".join(
                json.dumps(
                    {"id": text.split(",")[0], "properties": sorted(set(re.findall(r"[a-z]{6,}", text)))[:3]}
                )
                + "\n"
                for text in texts
            )
        )
        folders, printed = [], []
        for name, checkout in (("old", old), ("new", new)):
            folder = base / name
            folder.mkdir()
            folders.append(folder)
            printed.append(run(checkout, folder, inputs))
        files = [{p.relative_to(f) for p in f.rglob("*") if p.is_file()} for f in folders]
        for path in sorted(files[0] ^ files[1]):
            print("only in one:", path)
        counts = {"same": 0, "different": 0, "wording only": 0}
        for path in sorted(files[0] & files[1]):
            a, b = (folder / path for folder in folders)
            if same(a, b):
                counts["same"] += 1
            elif path.suffix in PAGES and numbers(contents(a)) == numbers(contents(b)):
                counts["wording only"] += 1
                print("wording only:", path)
            else:
                counts["different"] += 1
                print("different:", path)
        for name in COMMANDS:
            old_lines, new_lines = (text[name].splitlines() for text in printed)
            changed = [pair for pair in zip(old_lines, new_lines, strict=False) if pair[0] != pair[1]]
            print(f"printed by {name}: {len(changed)} of {len(old_lines)} lines differ")
        print(counts)


if __name__ == "__main__":
    main()

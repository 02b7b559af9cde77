"""Write the property bank, src/goalspace/data/bank.json.gz, from the files beside this one.

python -m recipes.goal.make_bank
"""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from goalspace.files import write_atomic
from recipes.goal.corpus import Domain, Entry, read_aspects, read_bank, read_domains, split

_MIN_DOMAINS = 2
VERSION = 2  # of what the bank holds; raise it when a release changes that
OUT = Path(__file__).parents[2] / "src" / "goalspace" / "data" / "bank.json.gz"


def build() -> dict[str, Any]:
    """Return the bank, without the domains that the split of the corpus holds out."""
    domains = read_domains()
    held_out = {domain.name for domain in split(domains).held_out}
    # not the split's training domains, which lack the goals under the held-out aspects
    used = [domain for domain in domains if domain.name not in held_out]
    bank = read_bank()
    return {
        "version": VERSION,
        "aspects": [
            {
                **aspect._asdict(),
                "questions": bank[name].questions,
                "properties": _properties(name, bank[name], used),
            }
            for name, aspect in read_aspects().items()
        ],
    }


def encode(bank: dict[str, Any]) -> bytes:
    """Return the bank as compressed JSON; the same bank gives the same bytes."""
    buffer = io.BytesIO()
    # not gzip.compress, whose header differs between versions of Python
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as file:
        file.write(json.dumps(bank, ensure_ascii=False, separators=(",", ":")).encode())
    return buffer.getvalue()


def fold(text: str) -> str:
    """Return the form in which properties are compared: case and white space make no difference."""
    return " ".join(text.casefold().split())


def _properties(aspect: str, entry: Entry, domains: Iterable[Domain]) -> list[Sequence[str]]:
    """Return each property with its paraphrases: those of the bank's file, then those that several domains of the corpus have.

    A property of a single domain often fits no other texts.
    """
    known = {fold(wording) for wordings in entry.properties for wording in wordings}
    counts = Counter(name for domain in domains for name in domain.properties(aspect))
    annotated = sorted(name for name, n_domains in counts.items() if n_domains >= _MIN_DOMAINS)
    added = {fold(name): name for name in annotated if fold(name) not in known}
    return [*entry.properties, *([name] for name in added.values())]


def main() -> None:
    """Write the bank and print its size."""
    bank = build()
    content = encode(bank)
    write_atomic(OUT, content)
    n_properties = sum(len(aspect["properties"]) for aspect in bank["aspects"])
    print(
        f"{len(bank['aspects'])} aspects, {n_properties:,} properties, {len(content) / 1e6:.2f} MB in {OUT}"
    )


if __name__ == "__main__":
    main()

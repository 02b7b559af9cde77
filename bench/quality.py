"""Quality of goalspace and of its peers: what the scores say, whether a goal matters, one factor per text.

    python bench/quality.py [--only A|B|C] [--quick] [--peers/--no-peers]

Needs `pip install -e '.[bench]'` and the shared data (GOALSPACE_DATA, else ../shared/data); writes
bench/results/quality-*.json. All rows get the same MiniLM vectors, kept in bench/.cache; `seconds` is without
embedding the texts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
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
    def n_topics(self) -> int:
        """Number of topics or factors on the bills."""
        return 15 if self.quick else 50

    def load(self, read: Callable[[], Dataset]) -> Dataset:
        """Read a data set, or a sample of it."""
        return read().sample(300) if self.quick else read()


def fit_goalspace(
    data: Dataset, goal: str, *, recorded: str | None = None, n_factors: Sequence[int | None] = (None,)
) -> list[Fitted]:
    """Run the stages of goalspace on the texts, once per number of factors; rows are those of `data`."""
    from goalspace.corpus import Corpus
    from goalspace.factors import factor
    from goalspace.links import link
    from goalspace.proposals import propose

    corpus = Corpus.read(data.write(), text="text", id="id")
    proposals = propose(corpus, goal=goal, llm=recorded, vectors=VECTORS)
    links = link(corpus, proposals, vectors=VECTORS)
    row = {folded: i for i, id in enumerate(corpus.ids) for folded in (id, *corpus.duplicates.get(id, ()))}
    rows = np.array([row[id] for id in data.ids])
    fitted = []
    for number in n_factors:
        factors = factor(corpus, proposals, links, goal=goal, n_factors=number, vectors=VECTORS)
        encode = partial(_encode, factors)
        fitted.append(Fitted(factors.scores[rows], factors.dominant[rows], encode))
    return fitted


def _encode(factors: Any, texts: Sequence[str], vectors: np.ndarray) -> np.ndarray:
    return np.asarray(factors.encode(texts))


def untrained_corex(text_vectors: np.ndarray, property_vectors: np.ndarray, n_factors: int) -> np.ndarray:
    """Factor scores of goalspace's estimator on the links of the encoder as it is."""
    from goalspace.corex.linear import LinearCorex

    model = LinearCorex(n_components=n_factors, tol=1e-3, random_state=0)
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
    goal, recorded = data.goals["topic"], data.recorded["topic"]
    table = Table(
        f"A. {len(data)} bills: balanced accuracy of a decision tree on the scores",
        ("scores", "topic", "subtopic", "seconds", "note"),
        f"unshuffled stratified 5-fold cross-validation, mean ± s.e. of {options.seeds} tree seeds",
    )

    def add(name: str, fit: Callable[[], np.ndarray], note: str | None = None) -> None:
        scores, seconds = timed(table, name, fit)
        if scores is not None:
            with log.status(f"{name}: probe"):
                topic, subtopic = (
                    decision_tree_probe(scores, data.labels[label], seeds=options.seeds)
                    for label in ("topic", "subtopic")
                )
            table.add(
                name, scores=scores.shape[1], topic=topic, subtopic=subtopic, seconds=seconds, note=note
            )

    chance = {label: 1 / len(set(data.labels[label])) for label in ("topic", "subtopic")}
    table.add("chance", **chance)
    vectors = embed(data.texts)
    add("TF-IDF + SVD 100", lambda: peers.tfidf_svd(data.texts, vectors, 100).scores)
    add("LDA", lambda: peers.lda(data.texts, vectors, k).scores)
    add("NMF", lambda: peers.nmf(data.texts, vectors, k).scores)
    add("MiniLM", lambda: vectors)
    vocabulary = sorted({p for properties in read_proposals(recorded, data.ids) for p in properties})
    property_vectors = embed(vocabulary)
    of_llm = "the LLM's properties"
    add("property groups (k-means)", lambda: peers.property_groups(vectors, property_vectors, k), of_llm)
    add("untrained links + LinearCorex", partial(untrained_corex, vectors, property_vectors, k), of_llm)
    if options.peers:
        links = vectors @ property_vectors.T
        add("untrained links + linearcorex", lambda: peers.linear_corex(links, k), of_llm)
        fit = partial(peers.bertopic, data.texts, vectors)
        add("BERTopic, distribution", lambda: fit().scores, "own number of topics")
        add("BERTopic, probabilities", lambda: fit(scores="probabilities").scores, "own number of topics")
        add(f"BERTopic at most {k}, distribution", lambda: fit(k).scores, "topics of 5 texts or more")
        add(
            f"BERTopic at most {k}, probabilities",
            lambda: fit(k, scores="probabilities").scores,
            "topics of 5 texts or more",
        )
        add("KeyNMF", lambda: peers.keynmf(data.texts, vectors, k).scores)
        add(
            "KeyNMF, seeded",
            lambda: peers.keynmf(data.texts, vectors, k, seed_phrase=goal).scores,
            "goal as seed phrase",
        )
        add("FASTopic", lambda: peers.fastopic(data.texts, vectors, k).scores)
    for source, spec in (("offline", None), ("LLM", recorded)):
        name = f"goalspace, {source}"
        numbers = (k, None)
        fits, seconds = timed(
            table, name, partial(fit_goalspace, data, goal, recorded=spec, n_factors=numbers)
        )
        for number, fitted in zip(numbers, fits, strict=True):
            add(
                name if number else f"{name}, own number",
                lambda scores=fitted.scores: scores,  # type: ignore[misc]
            )
            table.rows[-1]["seconds"] = seconds / len(numbers)
    if not options.quick:
        table.aim("goalspace, offline", topic=0.38, subtopic=0.18)
        table.aim("goalspace, LLM", topic=0.47, subtopic=0.25)
    return [table]


# --- B: whether the goal matters -------------------------------------------------------------------


def condition_on_goals(options: Options) -> list[Table]:
    """The same texts under three goals: k-means on the scores against the partition that the goal names."""
    data = options.load(syngoalex)
    axes = tuple(data.goals)
    order = np.random.default_rng(0).permutation(len(data))
    half, rest = data.take(order[: len(data) // 2]), data.take(order[len(data) // 2 :])
    tables = [
        Table(
            f"B. syngoalex, {what}: ARI of k-means(4) on the scores with what the goal names",
            (*axes, "seconds", "note"),
            f"mean ± s.e. of {options.seeds} k-means seeds; rows of the peers' scores are scaled to length 1, which "
            "helps most of them",
        )
        for what in (f"{len(data)} texts seen", f"{len(rest)} texts held out of proposals and training")
    ]

    def score(name: str, fitted: Fitted, part: int, axis: str) -> Estimate:
        scores = fitted.encode(rest.texts, embed(rest.texts)) if part else fitted.scores
        if name != "goalspace":
            scores = normalize(scores)
        labels = (rest if part else data).labels[axis]
        return clustering_scores(scores, labels, n_clusters=4, seeds=options.seeds, n_init=N_INIT).ari

    def add(name: str, fit: Callable[[Dataset, str], Fitted], *, goals: bool = False, note: str = "") -> None:
        for part, (table, train) in enumerate(zip(tables, (data, half), strict=True)):
            cells: dict[str, Any] = {}
            total = 0.0
            fitted = None
            for axis in axes:
                if fitted is None or goals:
                    fitted, seconds = timed(table, name, partial(fit, train, axis))
                    total += seconds
                if fitted is None:
                    break
                cells[axis] = score(name, fitted, part, axis)
            else:
                table.add(name, **cells, seconds=total, note=note)

    same: Callable[[Sequence[str], np.ndarray], np.ndarray] = lambda _, vectors: vectors  # noqa: E731
    add(
        "MiniLM",
        lambda d, _: Fitted(embed(d.texts), np.zeros(len(d), int), same),
        note="the vectors themselves",
    )
    for k in (4, 12):
        add(f"LDA {k}", lambda d, _, k=k: peers.lda(d.texts, embed(d.texts), k))  # type: ignore[misc]
        add(f"NMF {k}", lambda d, _, k=k: peers.nmf(d.texts, embed(d.texts), k))  # type: ignore[misc]
    if options.peers:
        for k in (None, 4):
            for scores in ("distribution", "probabilities"):
                add(
                    f"BERTopic {k or ''}, {scores}",
                    lambda d, _, k=k, scores=scores: peers.bertopic(  # type: ignore[misc]
                        d.texts, embed(d.texts), k, scores=scores
                    ),
                    note="" if k else "own number of topics",
                )
        for k in (4, 12):
            add(f"KeyNMF {k}", lambda d, _, k=k: peers.keynmf(d.texts, embed(d.texts), k))  # type: ignore[misc]
            add(
                f"KeyNMF {k}, seeded",
                lambda d, axis, k=k: peers.keynmf(  # type: ignore[misc]
                    d.texts, embed(d.texts), k, seed_phrase=d.goals[axis]
                ),
                goals=True,
                note="goal as seed phrase",
            )
    add(
        "goalspace",
        lambda d, axis: fit_goalspace(d, d.goals[axis], recorded=d.recorded[axis])[0],
        goals=True,
        note="recorded proposals, own number",
    )
    if not options.quick:
        tables[0].aim("goalspace", topic=0.92, style=0.65, language=0.98)
        tables[1].aim("goalspace", topic=0.80, style=0.55, language=0.95)
    return tables


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
            start = time.perf_counter()
            ari, nmi = clustering_scores(
                scores, gold, n_clusters=n_groups, seeds=options.seeds, n_init=N_INIT
            )
        table.add(name, groups=n_groups, in_none=0.0, ARI=ari, NMI=nmi, seconds=time.perf_counter() - start)
        return ari

    fits, seconds = timed(
        table,
        "goalspace",
        partial(fit_goalspace, data, data.goals[label], n_factors=(None, classes)),
    )
    for fitted, which in zip(fits, ("own number", "number of classes"), strict=True):
        n_groups = fitted.scores.shape[1]
        name = f"goalspace, {which}, dominant"
        add_groups(name, fitted.dominant, seconds / len(fits))
        add_kmeans(f"goalspace, {which}, k-means", fitted.scores, n_groups)
        target = add_kmeans(f"MiniLM, k-means({n_groups})", vectors, n_groups)
        if not options.quick:
            table.aim(name, ARI=target.mean)
        if options.peers:
            peer, taken = timed(
                table,
                f"KeyNMF({n_groups})",
                partial(peers.keynmf, data.texts, vectors, n_groups),
            )
            if peer is not None:
                add_groups(f"KeyNMF({n_groups})", peer.dominant, taken, "strongest topic")
    if options.peers:
        for k, assigned in ((None, False), (None, True), (classes, False), (classes, True)):
            name = f"BERTopic{f', at most {k}' if k else ''}{', outliers assigned' if assigned else ''}"
            fit = partial(peers.bertopic, data.texts, vectors, k, assign_outliers=assigned)
            peer, taken = timed(table, name, fit)
            if peer is not None:
                add_groups(name, peer.dominant, taken, "" if k else "own number of topics")
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

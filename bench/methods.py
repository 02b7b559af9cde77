"""The rows of the papers' experiments: every method as a function of a data set, and how rows get into a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from rich.console import Console

import llm_peers
import peers
from _data import VECTORS, Dataset, embed, read_proposals
from _tables import Table, value_of
from goalspace.encoders.cache import cached
from goalspace.estimate import Estimate
from peers import Fitted

OURS = "goalspace"
log = Console(stderr=True, log_path=False)


class Fit(Protocol):
    """Fits a method on a data set, for the goal of this name, with about so many topics."""

    def __call__(self, data: Dataset, goal: str, n_topics: int, *, seed: int) -> Fitted: ...


@dataclass(frozen=True)
class Method:
    """A row: how to fit it.

    Attributes
    ----------
    seeded
        Another seed gives another fit.
    informed
        It knows the recorded proposals: no peer of ours in the targets.
    by_goal
        The goal changes the fit.
    groups
        The one topic of a text is a group of the method's own, which no other row has too.
    ours
        It is goalspace.
    """

    name: str
    fit: Fit
    note: str = ""
    seeded: bool = True
    informed: bool = False
    by_goal: bool = False
    groups: bool = True
    ours: bool = False


def _peer(model: Callable[..., Fitted], **options: Any) -> Fit:
    """A peer of `peers` that takes texts, vectors and a number of topics."""

    def fit(data: Dataset, goal: str, n_topics: int, *, seed: int) -> Fitted:
        return model(data.texts, embed(data.texts), n_topics, seed, **options)

    return fit


def _own_number(model: Callable[..., Fitted], **options: Any) -> Fit:
    def fit(data: Dataset, goal: str, n_topics: int, *, seed: int) -> Fitted:
        return model(data.texts, embed(data.texts), None, seed, **options)

    return fit


def _plain(data: Dataset, goal: str, n_topics: int, *, seed: int) -> Fitted:
    return peers.plain(data.texts, embed(data.texts))


def _tfidf_svd(data: Dataset, goal: str, n_topics: int, *, seed: int) -> Fitted:
    return peers.tfidf_svd(data.texts, embed(data.texts), 100, seed)


def _seeded_keynmf(data: Dataset, goal: str, n_topics: int, *, seed: int) -> Fitted:
    return peers.keynmf(data.texts, embed(data.texts), n_topics, seed, seed_phrase=data.goals[goal])


def baselines() -> list[Method]:
    """Classical methods and the vectors themselves."""
    return [
        Method("TF-IDF + SVD 100", _tfidf_svd, groups=False),
        Method("LDA", _peer(peers.lda)),
        Method("NMF", _peer(peers.nmf), seeded=False),
        Method("MiniLM", _plain, "the vectors themselves", seeded=False, groups=False),
        Method("k-means on MiniLM, one-hot", _peer(peers.kmeans, one_hot=True)),
        Method("k-means on MiniLM, cosines", _peer(peers.kmeans), groups=False),
    ]


def packages() -> list[Method]:
    """The packages that people use, those that ask an LLM left out."""
    found = []
    for name, wrap, note in (
        ("BERTopic at most k", _peer, ""),
        ("BERTopic", _own_number, "own number of topics"),
    ):
        for kind in ("distribution", "probabilities"):  # of the same groups
            fit = wrap(peers.bertopic, scores=kind)
            found.append(Method(f"{name}, {kind}", fit, note, groups=kind == "probabilities"))
    return [
        *found,
        Method("KeyNMF", _peer(peers.keynmf)),
        Method("KeyNMF, seeded", _seeded_keynmf, "goal as seed phrase", by_goal=True),
        Method("S³", _peer(peers.semantic_signals)),
        Method("FASTopic", _peer(peers.fastopic), seeded=False),  # the slowest
        Method("corextopic", _peer(peers.corextopic)),
    ]


# ---------------------------------------------------------------- methods that know the recorded proposals


def _recorded(data: Dataset, goal: str) -> dict[str, list[str]]:
    return dict(zip(data.texts, read_proposals(data.recorded[goal], data.ids), strict=True))


def _of_properties(model: Callable[..., Any]) -> Fit:
    """A way to make scores out of text vectors and the vectors of the recorded properties."""

    def fit(data: Dataset, goal: str, n_topics: int, *, seed: int) -> Fitted:
        vectors = embed(data.texts)
        properties = embed(sorted({p for own in _recorded(data, goal).values() for p in own}))
        encode = model(vectors, properties, n_topics, seed)
        return peers.fitted_by_argmax(encode(vectors), lambda _, new: np.asarray(encode(new)))

    return fit


def _groups(vectors: np.ndarray, properties: np.ndarray, n_topics: int, seed: int) -> Callable[..., Any]:
    return lambda new: peers.property_groups(new, properties, n_topics, seed)


def _corex(
    vectors: np.ndarray, properties: np.ndarray, n_topics: int, seed: int, **options: Any
) -> Callable[..., Any]:
    from goalspace.corex.linear import LinearCorex

    with peers.quiet():  # the ascent may end before it converges
        model = LinearCorex(n_components=n_topics, random_state=seed, **options)
        model.fit_low_rank(vectors, properties)
    return model.score_low_rank


def _linearcorex(vectors: np.ndarray, properties: np.ndarray, n_topics: int, seed: int) -> Callable[..., Any]:
    scores = peers.linear_corex(vectors @ properties.T, n_topics, seed)
    return lambda new: scores  # the texts it was fitted on


def _topicgpt(data: Dataset, goal: str, n_topics: int, *, seed: int) -> Fitted:
    return llm_peers.topicgpt(data.texts, embed(data.texts), _recorded(data, goal))


def _lloom(data: Dataset, goal: str, n_topics: int, *, seed: int) -> Fitted:
    return llm_peers.lloom(data.texts, embed(data.texts), n_topics, _recorded(data, goal))


def informed() -> list[Method]:
    """Other uses of the same recorded proposals: TopicGPT, LLooM, groups of properties, CorEx on untrained links."""
    of_llm = "the LLM's properties"
    paper = partial(_corex, objective="paper", max_iter=300)
    return [
        Method("TopicGPT", _topicgpt, "recorded replies, own number of topics", seeded=False, informed=True),
        Method("LLooM", _lloom, "recorded replies", seeded=False, informed=True),
        Method("property groups (k-means)", _of_properties(_groups), of_llm, informed=True),
        Method(
            "untrained links + LinearCorex",
            _of_properties(partial(_corex, tol=1e-3)),
            of_llm,
            informed=True,
        ),
        Method(
            "untrained links + linearcorex",
            _of_properties(_linearcorex),
            f"{of_llm}; the package",
            seeded=False,  # two minutes a fit
            informed=True,
        ),
        Method(
            "untrained links + LinearCorex, the paper's objective",
            _of_properties(paper),
            f"{of_llm}; noise-sampled, L1 0.9, Adam",
            seeded=False,  # two minutes a fit
            informed=True,
        ),
    ]


# ---------------------------------------------------------------- ours


def fit_goalspace(
    data: Dataset, goal: str, n_topics: int | None, *, recorded: str | None = None, seed: int = 0
) -> Fitted:
    """Run the stages of goalspace on the texts; rows are those of `data`.

    Of the last stage only what scores depend on: `factor` also names the factors, collects evidence and draws a map.
    """
    from goalspace.corpus import Corpus
    from goalspace.factors.fitting import build, choose_number
    from goalspace.links import link
    from goalspace.proposals import propose

    encoder = cached("minilm", VECTORS)
    corpus = Corpus.read(data.write(), text="text", id="id")
    proposals = propose(corpus, goal=data.goals[goal], llm=recorded, encoder=encoder, seed=seed)
    links = link(corpus, proposals, encoder=encoder, seed=seed)
    texts, properties = links.text_vectors, links.property_vectors
    found = build(texts, properties, n_topics or choose_number(texts, properties)[0])
    rows = data.rows_in(corpus)
    return Fitted(
        found.score(texts)[rows],
        found.assign(texts)[rows],
        lambda new, _: found.score(links.encode(new)),
        found.place(texts)[rows],
        lambda new, _: found.place(links.encode(new)),
    )


def _goalspace(*, llm: bool, own_number: bool, spanned: bool = True) -> Fit:
    def fit(data: Dataset, goal: str, n_topics: int, *, seed: int) -> Fitted:
        recorded = data.recorded[goal] if llm else None
        found = fit_goalspace(data, goal, None if own_number else n_topics, recorded=recorded, seed=seed)
        return found if spanned else replace(found, space=None, place=None)

    return fit


def ours(*, source: str = "LLM", compared: bool = False) -> list[Method]:
    """goalspace offline and with recorded proposals (`source` says of whom).

    Where texts are `compared`, that is done in the space that the factors span; one row more does so by the scores.
    """
    found = []
    for what, llm in (("offline", False), (source, True)):
        for suffix, own in (("", False), (", own number", True)):
            note = "recorded proposals" if llm else "phrases of the texts"
            fit = _goalspace(llm=llm, own_number=own)
            name = f"{OURS}, {what}{suffix}"
            found.append(Method(name, fit, note, informed=llm, by_goal=True, ours=True))
    if compared:
        fit = _goalspace(llm=True, own_number=False, spanned=False)
        note = "recorded proposals, standardised scores"
        name = f"{OURS}, {source}, by scores"
        found.append(Method(name, fit, note, informed=True, by_goal=True, ours=True))
    return found


# ---------------------------------------------------------------- into a table


def fit_all(
    table: Table, method: Method, data: Dataset, goal: str, n_topics: int, n_fits: int
) -> tuple[list[Fitted], float]:
    """Fit with seeds 0, 1, …; where a peer is missing or fails, its row says so and nothing is returned."""
    seeds = range(n_fits if method.seeded else 1)
    try:
        with log.status(f"{method.name} on {data.name}"):
            timed = [_fit_once(method, data, goal, n_topics, seed) for seed in seeds]
    except ModuleNotFoundError as error:
        table.add(method.name, note=f"not installed: {error.name}")
        return [], 0.0
    except Exception as error:  # a peer's failure is a result; ours ends the run
        if method.ours:
            raise
        table.add(method.name, note=f"{type(error).__name__}: {str(error).splitlines()[0][:60]}")
        return [], 0.0
    seconds = float(np.mean([seconds for _, seconds in timed]))
    log.log(f"{method.name} on {data.name}: {seconds:.1f} s a fit")
    return [fitted for fitted, _ in timed], seconds


_FITTED: dict[tuple[Any, ...], tuple[Fitted, float]] = {}  # two experiments look at the same fits


def _fit_once(method: Method, data: Dataset, goal: str, n_topics: int, seed: int) -> tuple[Fitted, float]:
    key = (method.name, data.name, len(data), goal, n_topics, seed)
    if key not in _FITTED:
        start = time.perf_counter()
        fitted = method.fit(data, goal, n_topics, seed=seed)
        _FITTED[key] = (fitted, time.perf_counter() - start)
    return _FITTED[key]


def pool(estimates: Sequence[Estimate]) -> Estimate:
    """Mean over fits, with the standard error over fits or that within them, whichever is larger."""
    between = Estimate.of([each.mean for each in estimates])
    return Estimate(between.mean, max(between.se, float(np.mean([each.se for each in estimates]))))


def size_of(fits: Sequence[Fitted]) -> str:
    """How many scores a text has."""
    sizes = sorted({fitted.scores.shape[1] for fitted in fits})
    return str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}–{sizes[-1]}"


def aim_above_peers(
    table: Table, row: str, columns: Mapping[str, Sequence[str]], known: Sequence[Method], *, by: float = 0.05
) -> None:
    """Ask of a row to be better, by this share, than every row that does not know its proposals.

    `columns` says which columns of the others each column of the row must beat.
    """
    blind = {method.name for method in known if not method.informed and not method.ours}
    targets = {}
    for column, rivals in columns.items():
        others = [r for r in table.rows if r["row"] in blind]
        values = [r[rival] for r in others for rival in rivals if r.get(rival) is not None]
        best = max(map(value_of, values), default=None)
        if best is not None:
            targets[column] = best * (1 + by)
    table.aim(row, **targets)

"""The methods that the papers' experiments compare, as functions of a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from bench.kit import llm_peers, peers
from bench.kit.datasets import Dataset, embed, read_proposals
from bench.kit.paths import CACHE
from bench.kit.peers import Fitted
from goalspace.encoders.cache import cached
from goalspace.encoders.registry import get_encoder

OURS = "goalspace"


class Fit(Protocol):
    """Fits a method to a data set for a named goal, with about `n_topics` topics."""

    def __call__(self, data: Dataset, goal: str, n_topics: int, *, seed: int) -> Fitted: ...


@dataclass(frozen=True)
class Method:
    """A method, one row of a table.

    Attributes
    ----------
    seeded
        Whether the fit depends on the seed.
    informed
        Whether it uses the recorded proposals; targets ignore such peers.
    by_goal
        Whether the fit depends on the goal.
    groups
        Whether its dominant topics form groups that no other row has.
    ours
        Whether it is goalspace.
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
    """Wrap a peer that takes texts, vectors and a number of topics."""

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
    """Return the classical methods and the unchanged vectors."""
    return [
        Method("TF-IDF + SVD 100", _tfidf_svd, groups=False),
        Method("LDA", _peer(peers.lda)),
        Method("NMF", _peer(peers.nmf), seeded=False),
        Method("MiniLM", _plain, "the vectors themselves", seeded=False, groups=False),
        Method("k-means on MiniLM, one-hot", _peer(peers.kmeans, one_hot=True)),
        Method("k-means on MiniLM, cosines", _peer(peers.kmeans), groups=False),
    ]


def packages() -> list[Method]:
    """Return the widely used packages, except those that ask an LLM."""
    methods = []
    for name, wrap, note in (
        ("BERTopic at most k", _peer, ""),
        ("BERTopic", _own_number, "own number of topics"),
    ):
        for kind in ("distribution", "probabilities"):  # two scores of the same groups
            fit = wrap(peers.bertopic, scores=kind)
            methods.append(Method(f"{name}, {kind}", fit, note, groups=kind == "probabilities"))
    return [
        *methods,
        Method("KeyNMF", _peer(peers.keynmf)),
        Method("KeyNMF, seeded", _seeded_keynmf, "goal as seed phrase", by_goal=True),
        Method("S³", _peer(peers.semantic_signals)),
        Method("FASTopic", _peer(peers.fastopic), seeded=False),  # the slowest
        Method("corextopic", _peer(peers.corextopic)),
    ]


# ---------------------------------------------------------------- methods that use the recorded proposals


def _recorded(data: Dataset, goal: str) -> dict[str, list[str]]:
    return dict(zip(data.texts, read_proposals(data.recorded[goal], data.ids), strict=True))


def _of_properties(model: Callable[..., Any]) -> Fit:
    """Wrap a model that derives scores from the vectors of texts and of recorded properties."""

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

    with peers.quiet():  # the ascent may stop before it converges
        model = LinearCorex(n_components=n_topics, random_state=seed, **options)
        model.fit_low_rank(vectors, properties)
    return model.score_low_rank


def _linearcorex(vectors: np.ndarray, properties: np.ndarray, n_topics: int, seed: int) -> Callable[..., Any]:
    scores = peers.linear_corex(vectors @ properties.T, n_topics, seed)
    return lambda new: scores  # of the texts that it was fitted on


def _topicgpt(data: Dataset, goal: str, n_topics: int, *, seed: int) -> Fitted:
    return llm_peers.topicgpt(data.texts, embed(data.texts), _recorded(data, goal))


def _lloom(data: Dataset, goal: str, n_topics: int, *, seed: int) -> Fitted:
    return llm_peers.lloom(data.texts, embed(data.texts), n_topics, _recorded(data, goal))


def informed() -> list[Method]:
    """Return other uses of the same recorded proposals: TopicGPT, LLooM, property groups, CorEx on untrained links."""
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
    """Run the stages of goalspace on the texts; the rows are those of `data`.

    The last stage is limited to what scores depend on: `factor` also names factors, collects evidence and draws a map.
    """
    from goalspace.corpus import Corpus
    from goalspace.factors.fitting import choose_n_factors, fit_structure
    from goalspace.links import link
    from goalspace.proposals import propose

    encoder = cached(get_encoder("goal", goal=data.goals[goal]), CACHE)
    corpus = Corpus.read(data.write(), text="text", id="id")
    proposals = propose(corpus, goal=data.goals[goal], llm=recorded, encoder=encoder, seed=seed)
    links = link(corpus, proposals, encoder=encoder, seed=seed)
    texts, properties = links.text_vectors, links.property_vectors
    model = fit_structure(texts, properties, n_topics or choose_n_factors(texts, properties)[0])
    rows = data.rows_in(corpus)
    return Fitted(
        model.score(texts)[rows],
        model.assign(texts)[rows],
        lambda new, _: model.score(links.encode(new)),
        model.project(texts)[rows],
        lambda new, _: model.project(links.encode(new)),
    )


def _goalspace(*, llm: bool, own_number: bool, projected: bool = True) -> Fit:
    def fit(data: Dataset, goal: str, n_topics: int, *, seed: int) -> Fitted:
        recorded = data.recorded[goal] if llm else None
        fitted = fit_goalspace(data, goal, None if own_number else n_topics, recorded=recorded, seed=seed)
        return fitted if projected else replace(fitted, projection=None, project=None)

    return fit


def ours(*, source: str = "LLM", compared: bool = False) -> list[Method]:
    """Return goalspace offline and with recorded proposals (`source` names their origin).

    In experiments that compare texts, goalspace does so in the space that the factors span; with `compared`, one more
    row compares them by their scores.
    """
    methods = []
    for proposer, llm in (("offline", False), (source, True)):
        for suffix, own in (("", False), (", own number", True)):
            note = "recorded proposals" if llm else "property bank and phrases"
            fit = _goalspace(llm=llm, own_number=own)
            name = f"{OURS}, {proposer}{suffix}"
            methods.append(Method(name, fit, note, informed=llm, by_goal=True, ours=True))
    if compared:
        fit = _goalspace(llm=True, own_number=False, projected=False)
        note = "recorded proposals, standardised scores"
        name = f"{OURS}, {source}, by scores"
        methods.append(Method(name, fit, note, informed=True, by_goal=True, ours=True))
    return methods

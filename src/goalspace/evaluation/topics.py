"""Topic quality without labels: coherence, diversity, intrusion, stability.

A topic is a list of words or phrases, the strongest first, so that factors, BERTopic, KeyNMF and LDA are measured
alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from goalspace.errors import InputError
from goalspace.estimate import Estimate
from goalspace.vectors.geometry import normalize

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from goalspace.encoders.protocol import Encoder


TOP = 10  # words that a topic's coherence looks at (Lau et al. 2014)
TOP_DIVERSITY = 25  # words that its diversity looks at (Dieng et al. 2020)
TOP_INTRUSION = 5  # words that an intruder is put among (Chang et al. 2009)

_MIN_MEMBERS = 3  # with fewer, the intruder cannot be told from the others
_TOKEN = re.compile(r"\w+")


class Intrusion(NamedTuple):
    """Share of the intruders that were found, the share that guessing finds, and how many topics were tested."""

    accuracy: Estimate
    chance: float
    n_topics: int


def top_words(texts: Sequence[str], groups: ArrayLike, *, top: int = TOP_DIVERSITY) -> list[tuple[str, ...]]:
    """Find the words that stand for each group of texts, by class-based TF-IDF.

    Word t has weight tf(t, c) · log(1 + A / f(t)) in group c: tf is its share of the group's words, f its number in
    all groups, A the mean number of words per group (Grootendorst 2022, arXiv 2203.05794, eq. 2). This works for any
    partition of texts, so it makes methods comparable whose own word lists differ in kind.

    Parameters
    ----------
    texts
        (n_texts).
    groups
        (n_texts,) integers; texts of group -1 are left out.
    top
        Number of words per group.

    Returns
    -------
    Words of group 0, 1, …, the strongest first, without English stop words; a group without texts has none.

    Raises
    ------
    InputError
        If there is not one group per text, or no text is in a group.

    Examples
    --------
    >>> top_words(["ham and eggs", "fried eggs", "blue paint", "paint a wall"], [0, 0, 1, 1], top=1)
    [('eggs',), ('paint',)]
    """
    from sklearn.feature_extraction.text import CountVectorizer

    assigned = np.asarray(groups)
    if not np.issubdtype(assigned.dtype, np.integer):
        raise InputError(
            f"The 'groups' parameter of top_words must be whole numbers. Got {assigned.dtype} instead."
        )
    if assigned.shape != (len(texts),) or not (assigned >= 0).any():
        raise InputError(
            f"The 'groups' parameter of top_words must have one group per text, one of them 0 or more. "
            f"Got shape {assigned.shape} for {len(texts)} texts instead."
        )
    rows = np.flatnonzero(assigned >= 0)
    vectorizer = CountVectorizer(stop_words="english")
    try:
        counts = vectorizer.fit_transform([texts[i] for i in rows.tolist()])
    except ValueError:  # nothing but stop words
        return [() for _ in range(assigned.max() + 1)]
    words = vectorizer.get_feature_names_out()
    membership = assigned[rows] == np.arange(assigned.max() + 1)[:, None]
    per_group = np.asarray((counts.T @ membership.T).T, dtype=np.float64)
    sizes = per_group.sum(axis=1, keepdims=True)
    rarity = np.log1p(sizes.mean() / per_group.sum(axis=0))
    weights = per_group / np.maximum(sizes, 1) * rarity
    order = np.argsort(-weights, axis=1, kind="stable")[:, :top]
    return [
        tuple(str(words[i]) for i in best if row[i] > 0) for best, row in zip(order, weights, strict=True)
    ]


def occurrences(texts: Sequence[str], terms: Sequence[str]) -> csr_matrix:
    """Compute which terms occur in which texts.

    A term of several words occurs where they stand one after another, whatever their case and what is between
    them that is no word: "late-delivery" is an occurrence of "late delivery", "deliveries" none of "delivery".

    Returns
    -------
    (n_texts, n_terms) sparse, 1 where the term occurs.

    Examples
    --------
    >>> occurrences(["Late delivery, again.", "Delivery was late."], ["late delivery", "late"]).toarray()
    array([[1, 1],
           [0, 1]])
    """
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import CountVectorizer

    spelled = [" ".join(_TOKEN.findall(term.lower())) for term in terms]
    vocabulary = {term: i for i, term in enumerate(dict.fromkeys(filter(None, spelled)))}
    if not vocabulary:
        return csr_matrix((len(texts), len(terms)), dtype=np.int64)
    longest = max(term.count(" ") + 1 for term in vocabulary)
    counter = CountVectorizer(
        vocabulary=vocabulary, ngram_range=(1, longest), binary=True, token_pattern=_TOKEN.pattern
    )
    counts = counter.transform(texts)
    blank = csr_matrix((len(texts), 1), dtype=counts.dtype)
    # a term without any word occurs nowhere: it gets the blank column
    return hstack([counts, blank]).tocsr()[:, [vocabulary.get(term, len(vocabulary)) for term in spelled]]


def npmi(incidence: csr_matrix, topics: Sequence[Sequence[int]]) -> np.ndarray:
    """Compute the mean normalised pointwise mutual information of the pairs of each topic.

    NPMI(a, b) = log(p(a, b) / p(a) p(b)) / -log p(a, b) (Bouma 2009, eq. 7), where p is the share of the texts in
    which a term, or both, occur. It is 1 for terms that only occur together, 0 for independent ones, -1 for those
    that never meet, also where one of them occurs in no text. A pair that is in all texts says nothing: 0.

    Parameters
    ----------
    incidence
        (n_texts, n_terms), above 0 where the text has the term.
    topics
        Columns of the terms of each topic.

    Returns
    -------
    (n_topics,) from -1 to 1; NaN for a topic of fewer than two terms.

    Examples
    --------
    >>> from scipy.sparse import csr_matrix
    >>> incidence = csr_matrix([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]])
    >>> npmi(incidence, [[0, 1], [0, 2]])
    array([ 1., -1.])
    """
    used = sorted({term for topic in topics for term in topic})
    index_of = {term: i for i, term in enumerate(used)}
    present = (incidence[:, used] > 0).astype(np.float64)
    together = (present.T @ present).toarray() / incidence.shape[0]
    alone = np.diag(together)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.log(together / np.outer(alone, alone)) / -np.log(together)
    values[together == 0] = -1.0
    values[together == 1] = 0.0
    means = []
    for topic in topics:
        pairs = list(combinations([index_of[term] for term in dict.fromkeys(topic)], 2))
        means.append(np.mean([values[pair] for pair in pairs]) if pairs else np.nan)
    return np.array(means)


def coherence(topics: Sequence[Sequence[str]], texts: Sequence[str], *, top: int = TOP) -> Estimate:
    """Compute how often the top words of a topic stand in the same texts: mean NPMI over pairs, then over topics.

    Words meet when they occur in the same text (document co-occurrence), not in a window of it: Lau, Newman &
    Baldwin 2014 found NPMI of the top 10 words to follow human judgement. Abstract phrases that no text says word
    by word get -1; measure those by the incidence of their proposals and `npmi`.

    Parameters
    ----------
    topics
        Words or phrases of each topic, the strongest first; topics of fewer than two are left out.
    texts
        Those that the topics are about.
    top
        Number of words per topic.

    Returns
    -------
    Mean over the topics and its standard error.

    Raises
    ------
    InputError
        If no topic has two words, or there are no texts.

    Examples
    --------
    >>> texts = ["ham and eggs", "ham or eggs", "blue paint", "wet paint"]
    >>> coherence([["ham", "eggs"]], texts)
    Estimate(mean=1.0, se=0.0)
    """
    lists = _topics("coherence", topics, top, fewest=2)
    if not texts:
        raise InputError("The 'texts' parameter of coherence must hold texts. Got none instead.")
    terms = list(dict.fromkeys(word for topic in lists for word in topic))
    index_of = {term: i for i, term in enumerate(terms)}
    return Estimate.of(
        npmi(occurrences(texts, terms), [[index_of[word] for word in topic] for topic in lists])
    )


def diversity(topics: Sequence[Sequence[str]], *, top: int = TOP_DIVERSITY) -> float:
    """Compute the share of different words among the top words of all topics (Dieng, Ruiz & Blei 2020).

    Parameters
    ----------
    topics
        Words of each topic, the strongest first.
    top
        Number of words per topic.

    Returns
    -------
    1 if no two topics share a word, 1 / number of topics if all say the same.

    Raises
    ------
    InputError
        If no topic has a word.

    Examples
    --------
    >>> diversity([["ham", "eggs"], ["ham", "paint"]])
    0.75
    """
    words = [word for topic in _topics("diversity", topics, top, fewest=1) for word in topic]
    return len(set(words)) / len(words)


def intrusion(
    topics: Sequence[Sequence[str]],
    encoder: Encoder,
    *,
    top: int = TOP_INTRUSION,
    seeds: int = 5,
) -> Intrusion:
    """Test whether an encoder tells a topic's words from one that does not belong (Chang et al. 2009).

    Beside the top words of a topic stands an intruder: a top word of another topic that is nowhere in the topic's
    own list. It is found if its mean cosine with the others is smaller than that of every other word. Chang et al.
    ask people; an encoder asks the same of all methods, though it favours topics that were made with it.

    Parameters
    ----------
    topics
        Words or phrases of each topic, the strongest first. What stands behind the top words is never drawn as the
        topic's intruder: list there what is strong in it, too.
    encoder
        Its cosines judge.
    top
        Number of words beside the intruder; topics of fewer than three are left out.
    seeds
        Number of intruders that are drawn per topic.

    Returns
    -------
    The share that was found, mean and standard error over the topics; what guessing finds, 1/6 for five words and
    an intruder; the number of topics tested.

    Raises
    ------
    InputError
        If fewer than two topics have three words, or no topic has a word that another lacks.
    """
    if seeds < 1:
        raise InputError(f"The 'seeds' parameter of intrusion must be at least 1. Got {seeds} instead.")
    lists = _topics("intrusion", topics, None, fewest=_MIN_MEMBERS)
    rngs = [np.random.default_rng(seed) for seed in range(seeds)]
    trials: list[tuple[list[str], list[str]]] = []
    for k, topic in enumerate(lists):
        own = set(topic)
        others = [word for j, other in enumerate(lists) if j != k for word in other[:top] if word not in own]
        if others:
            trials.append((topic[:top], [others[rng.integers(len(others))] for rng in rngs]))
    if not trials:
        raise InputError(
            "The 'topics' parameter of intrusion must hold at least two topics with different words. "
            f"Got {len(lists)} with three words or more instead."
        )
    cosine = _cosines(encoder, [word for members, intruders in trials for word in (*members, *intruders)])
    shares = [
        np.mean([_is_odd(cosine, members, intruder) for intruder in intruders])
        for members, intruders in trials
    ]
    chance = float(np.mean([1 / (len(members) + 1) for members, _ in trials]))
    return Intrusion(Estimate.of(shares), chance, len(trials))


def stability(groupings: Sequence[ArrayLike]) -> Estimate:
    """Compute how much several groupings of the same things agree: mean adjusted Rand index over their pairs.

    Parameters
    ----------
    groupings
        Two at least, each (n_things,) group numbers, for example the factor of every property in fits with other
        seeds. Things in no group, -1, count as one more group.

    Returns
    -------
    Mean over pairs, 1 for the same groups and 0 for chance, and its jackknife standard error: pairs share groupings,
    so that they are not as many independent numbers. The error of two groupings is 0.

    Raises
    ------
    InputError
        If there are fewer than two groupings, or they are of different things.

    Examples
    --------
    >>> stability([[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1]])
    Estimate(mean=1.0, se=0.0)
    """
    from sklearn.metrics import adjusted_rand_score

    arrays = [np.asarray(grouping) for grouping in groupings]
    if len(arrays) < 2 or any(a.ndim != 1 or a.shape != arrays[0].shape or not a.size for a in arrays):
        raise InputError(
            "The 'groupings' parameter of stability must hold at least two, each with one group for each of the same "
            f"things. Got shapes {[a.shape for a in arrays]} instead."
        )
    n = len(arrays)
    agreement = np.zeros((n, n))
    for i, j in combinations(range(n), 2):
        agreement[i, j] = agreement[j, i] = adjusted_rand_score(arrays[i], arrays[j])
    total = agreement.sum()
    mean = float(total / (n * (n - 1)))
    if n == 2:
        return Estimate(mean, 0.0)
    without = (total - 2 * agreement.sum(axis=1)) / ((n - 1) * (n - 2))
    return Estimate(mean, float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())))


def _topics(
    function: str, topics: Sequence[Sequence[str]], top: int | None, *, fewest: int
) -> list[list[str]]:
    """The first `top` different words of each topic, of topics that have enough of them."""
    if any(isinstance(topic, str) for topic in topics):
        raise InputError(
            f"The 'topics' parameter of {function} must hold lists of words. Got a string instead."
        )
    lists = [list(dict.fromkeys(topic))[:top] for topic in topics]
    kept = [words for words in lists if len(words) >= fewest]
    if not kept:
        raise InputError(
            f"The 'topics' parameter of {function} must hold a topic of {fewest} words or more. "
            f"Got {len(lists)} topics, none of which has as many, instead."
        )
    return kept


def _cosines(encoder: Encoder, words: Sequence[str]) -> Callable[[str, str], float]:
    """Look up the cosine of two words."""
    ordered = sorted(set(words))
    vectors = normalize(encoder.encode(ordered))
    row = {word: i for i, word in enumerate(ordered)}
    return lambda a, b: float(vectors[row[a]] @ vectors[row[b]])


def _is_odd(cosine: Callable[[str, str], float], members: Sequence[str], intruder: str) -> bool:
    """Whether the intruder is less similar to the others than every member is."""
    everyone = [*members, intruder]
    likeness = [sum(cosine(a, b) for b in everyone if b != a) for a in everyone]
    return likeness[-1] < min(likeness[:-1])

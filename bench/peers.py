"""What the benchmarks compare with: classical models, untrained links, and the packages people use today.

Every peer is a function of the texts and their MiniLM vectors and returns `Fitted`. The packages are imported
inside the functions: a row of a package that is not installed says so, and the others run.
"""

from __future__ import annotations

import contextlib
import io
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from _data import embed

Encode = Callable[[Sequence[str], np.ndarray], np.ndarray]

PACKAGES = ("bertopic", "turftopic", "linearcorex", "umap-learn", "hdbscan", "numba")
LIBRARIES = ("numpy", "scikit-learn", "scipy", "torch", "transformers", "sentence-transformers")


@dataclass(frozen=True)
class Fitted:
    """Scores (n_texts, n_topics), the one topic of every text (-1: none), and the scores of new texts."""

    scores: np.ndarray
    dominant: np.ndarray
    encode: Encode


@dataclass(frozen=True)
class TermEncoder:
    """MiniLM with the `encode` that turftopic calls, its results kept: vocabularies of rows are the same."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n_texts, 384) float32."""
        ordered = sorted(set(texts))
        vectors = embed(ordered)
        row = {text: i for i, text in enumerate(ordered)}
        return vectors[[row[text] for text in texts]]


def plain(texts: Sequence[str], vectors: np.ndarray) -> Fitted:
    """The MiniLM vectors as they are."""
    return _fitted(vectors, lambda _, new_vectors: new_vectors)


def tfidf_svd(texts: Sequence[str], vectors: np.ndarray, n_topics: int, seed: int = 0) -> Fitted:
    """TF-IDF, then truncated SVD (latent semantic analysis)."""
    from sklearn.decomposition import TruncatedSVD

    tfidf = _tfidf()
    svd = TruncatedSVD(n_topics, random_state=seed)
    return _fitted(
        svd.fit_transform(tfidf.fit_transform(texts)),
        lambda new, _: svd.transform(tfidf.transform(new)),
    )


def lda(texts: Sequence[str], vectors: np.ndarray, n_topics: int, seed: int = 0) -> Fitted:
    """Latent Dirichlet allocation on word counts."""
    from sklearn.decomposition import LatentDirichletAllocation
    from sklearn.feature_extraction.text import CountVectorizer

    words = CountVectorizer(min_df=2, stop_words="english")
    model = LatentDirichletAllocation(n_topics, random_state=seed)
    return _fitted(
        model.fit_transform(words.fit_transform(texts)), lambda new, _: model.transform(words.transform(new))
    )


def nmf(texts: Sequence[str], vectors: np.ndarray, n_topics: int, seed: int = 0) -> Fitted:
    """Non-negative matrix factorisation of TF-IDF."""
    from sklearn.decomposition import NMF

    tfidf = _tfidf()
    model = NMF(n_topics, max_iter=500, random_state=seed)
    return _fitted(
        model.fit_transform(tfidf.fit_transform(texts)), lambda new, _: model.transform(tfidf.transform(new))
    )


def property_groups(
    text_vectors: np.ndarray, property_vectors: np.ndarray, n_groups: int, seed: int = 0
) -> np.ndarray:
    """Similarity of every text with the centres of k-means groups of the properties."""
    from sklearn.cluster import KMeans

    centers = KMeans(n_groups, n_init=3, random_state=seed).fit(property_vectors).cluster_centers_
    return np.asarray(text_vectors @ (centers / np.linalg.norm(centers, axis=1, keepdims=True)).T)


def linear_corex(links: np.ndarray, n_factors: int, seed: int = 0) -> np.ndarray:
    """Factor scores of the package linearcorex on a whole link matrix (n_texts, n_properties)."""
    with _quiet():
        from linearcorex import Corex

        # on the bills 2 minutes instead of 12 until it converges, and the probe is no worse (0.39 against 0.37)
        model = Corex(n_hidden=n_factors, tol=1e-3, max_iter=200, seed=seed).fit(links)
    return np.asarray(model.transform(links))


def bertopic(
    texts: Sequence[str],
    vectors: np.ndarray,
    n_topics: int | None = None,
    seed: int = 0,
    *,
    scores: str = "distribution",
    assign_outliers: bool = False,
) -> Fitted:
    """BERTopic with its defaults, English stop words and given vectors.

    With `n_topics`, topics of 5 texts are made and reduced to as many; with its 10 too few are left to reduce.
    `scores` is ``distribution`` (approximate_distribution: windows of c-TF-IDF) or ``probabilities`` (HDBSCAN's
    soft clusters). With `assign_outliers`, texts without a topic get the nearest one (reduce_outliers).
    """
    from bertopic import BERTopic
    from sklearn.feature_extraction.text import CountVectorizer
    from umap import UMAP

    model = BERTopic(
        umap_model=UMAP(
            n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed, n_jobs=1
        ),
        vectorizer_model=CountVectorizer(stop_words="english"),
        min_topic_size=5 if n_topics else 10,
        nr_topics=n_topics + 1 if n_topics else None,  # the outliers count as one
        calculate_probabilities=scores == "probabilities",
    )

    def encode(new: Sequence[str], new_vectors: np.ndarray) -> np.ndarray:
        with _quiet():
            if scores == "probabilities":
                return np.asarray(model.transform(list(new), new_vectors)[1])
            return np.asarray(model.approximate_distribution(list(new))[0])

    with _quiet():
        topics, probabilities = model.fit_transform(list(texts), vectors)
        if assign_outliers and -1 in topics:
            topics = model.reduce_outliers(list(texts), topics, strategy="embeddings", embeddings=vectors)
    values = np.asarray(probabilities) if scores == "probabilities" else encode(texts, vectors)
    return Fitted(values, np.asarray(topics), encode)


def keynmf(
    texts: Sequence[str],
    vectors: np.ndarray,
    n_topics: int,
    seed: int = 0,
    *,
    seed_phrase: str | None = None,
) -> Fitted:
    """turftopic's KeyNMF with given vectors; `seed_phrase` is its way to state a goal."""
    with _quiet():
        from turftopic import KeyNMF

        model = KeyNMF(n_topics, encoder=TermEncoder(), random_state=seed, seed_phrase=seed_phrase)
        scores = model.fit_transform(list(texts), embeddings=vectors)

    def encode(new: Sequence[str], new_vectors: np.ndarray) -> np.ndarray:
        with _quiet():
            return np.asarray(model.transform(list(new), embeddings=new_vectors))

    return _fitted(scores, encode)


def fastopic(texts: Sequence[str], vectors: np.ndarray, n_topics: int, seed: int = 0) -> Fitted:
    """FASTopic in turftopic's port: the package fastopic brings a torchvision that needs the CUDA torch."""
    with _quiet():
        from turftopic import FASTopic

        random.seed(seed)  # the port ignores its random_state and draws a seed from here
        model = FASTopic(n_topics, encoder=TermEncoder(), random_state=seed)
        scores = model.fit_transform(list(texts), embeddings=vectors)
    return _fitted(scores, lambda new, new_vectors: np.asarray(model.transform(new, embeddings=new_vectors)))


def _fitted(scores: np.ndarray, encode: Encode) -> Fitted:
    values = np.asarray(scores)
    return Fitted(values, values.argmax(axis=1), encode)


def _tfidf() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(min_df=2, stop_words="english")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the progress lines and warnings of the packages out of the tables."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield

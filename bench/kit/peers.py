"""The methods that goalspace is compared with: classical models, untrained links and widely used packages.

Every peer is a function of the texts and their MiniLM vectors and returns `Fitted`. Packages are imported inside the
functions, so that a missing package affects its own rows only.
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

from bench.kit.datasets import embed

Encode = Callable[[Sequence[str], np.ndarray], np.ndarray]

PACKAGES = (
    "bertopic",
    "turftopic",
    "linearcorex",
    "corextopic",
    "topicgpt_python",
    "text_lloom",
    "umap-learn",
    "hdbscan",
    "numba",
)
LIBRARIES = ("numpy", "scikit-learn", "scipy", "torch", "transformers", "sentence-transformers")


@dataclass(frozen=True)
class Fitted:
    """A method fitted to texts.

    Attributes
    ----------
    scores
        (n_texts, n_topics), the features of the probes.
    dominant
        (n_texts,) the dominant topic of each text, -1 if it has none.
    encode
        Scores new texts.
    projection, project
        The space in which texts are compared, if this is not the scores: coordinates of the fitted texts, and a function
        that projects new ones.
    """

    scores: np.ndarray
    dominant: np.ndarray
    encode: Encode
    projection: np.ndarray | None = None
    project: Encode | None = None

    @property
    def compared(self) -> np.ndarray:
        """The fitted texts in the space in which texts are compared."""
        return self.scores if self.projection is None else self.projection

    def compare(self, texts: Sequence[str], vectors: np.ndarray) -> np.ndarray:
        """New texts in the space in which texts are compared, from their MiniLM vectors."""
        return (self.project or self.encode)(texts, vectors)


@dataclass(frozen=True)
class TermEncoder:
    """MiniLM with the `encode` that turftopic calls, cached because several methods share a vocabulary."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n_texts, 384) float32."""
        ordered = sorted(set(texts))
        vectors = embed(ordered)
        row = {text: i for i, text in enumerate(ordered)}
        return vectors[[row[text] for text in texts]]


def plain(texts: Sequence[str], vectors: np.ndarray) -> Fitted:
    """The unchanged MiniLM vectors."""
    return fitted_by_argmax(vectors, lambda _, new_vectors: new_vectors)


def kmeans(
    texts: Sequence[str], vectors: np.ndarray, n_topics: int, seed: int = 0, *, one_hot: bool = False
) -> Fitted:
    """k-means on the vectors; the scores are cosines with the centres, or with `one_hot` group membership."""
    from sklearn.cluster import KMeans

    model = KMeans(n_topics, n_init=3, random_state=seed).fit(vectors)
    directions = model.cluster_centers_ / np.linalg.norm(model.cluster_centers_, axis=1, keepdims=True)

    def encode(new: Sequence[str], new_vectors: np.ndarray) -> np.ndarray:
        if one_hot:
            return np.eye(n_topics)[model.predict(new_vectors)]
        return np.asarray(new_vectors @ directions.T)

    return Fitted(encode(texts, vectors), np.asarray(model.labels_), encode)


def tfidf_svd(texts: Sequence[str], vectors: np.ndarray, n_topics: int, seed: int = 0) -> Fitted:
    """TF-IDF, then truncated SVD (latent semantic analysis)."""
    from sklearn.decomposition import TruncatedSVD

    tfidf = _tfidf()
    svd = TruncatedSVD(n_topics, random_state=seed)
    return fitted_by_argmax(
        svd.fit_transform(tfidf.fit_transform(texts)),
        lambda new, _: svd.transform(tfidf.transform(new)),
    )


def lda(texts: Sequence[str], vectors: np.ndarray, n_topics: int, seed: int = 0) -> Fitted:
    """Latent Dirichlet allocation on word counts."""
    from sklearn.decomposition import LatentDirichletAllocation
    from sklearn.feature_extraction.text import CountVectorizer

    words = CountVectorizer(min_df=2, stop_words="english")
    model = LatentDirichletAllocation(n_topics, random_state=seed)
    return fitted_by_argmax(
        model.fit_transform(words.fit_transform(texts)), lambda new, _: model.transform(words.transform(new))
    )


def nmf(texts: Sequence[str], vectors: np.ndarray, n_topics: int, seed: int = 0) -> Fitted:
    """Non-negative matrix factorisation of TF-IDF."""
    from sklearn.decomposition import NMF

    tfidf = _tfidf()
    model = NMF(n_topics, max_iter=500, random_state=seed)
    return fitted_by_argmax(
        model.fit_transform(tfidf.fit_transform(texts)), lambda new, _: model.transform(tfidf.transform(new))
    )


def property_groups(
    text_vectors: np.ndarray, property_vectors: np.ndarray, n_groups: int, seed: int = 0
) -> np.ndarray:
    """Similarity of every text to the centres of k-means clusters of the properties."""
    from sklearn.cluster import KMeans

    centers = KMeans(n_groups, n_init=3, random_state=seed).fit(property_vectors).cluster_centers_
    return np.asarray(text_vectors @ (centers / np.linalg.norm(centers, axis=1, keepdims=True)).T)


def linear_corex(links: np.ndarray, n_factors: int, seed: int = 0) -> np.ndarray:
    """Factor scores of the package linearcorex on a dense link matrix (n_texts, n_properties)."""
    with quiet():
        from linearcorex import Corex

        # on the bills: 2 minutes until convergence instead of 12, and the probe is no worse (0.39 against 0.37)
        model = Corex(n_hidden=n_factors, tol=1e-3, max_iter=200, seed=seed).fit(links)
    return np.asarray(model.transform(links))


def corextopic(
    texts: Sequence[str],
    vectors: np.ndarray,
    n_topics: int,
    seed: int = 0,
    *,
    anchors: Sequence[Sequence[str]] = (),
    anchor_strength: float = 3,
) -> Fitted:
    """CorEx topic model: binary topics that explain word occurrence; the scores are topic probabilities.

    `anchors` holds a group of words for each of the first topics; words that occur in no text are ignored. A text whose
    topics all have a probability of at most one half has no dominant topic.
    """
    from corextopic.corextopic import Corex
    from sklearn.feature_extraction.text import CountVectorizer

    words = CountVectorizer(min_df=2, stop_words="english", binary=True)
    occurs = words.fit_transform(texts)
    known = [[word for word in group if word in words.vocabulary_] for group in anchors]
    names = [str(name) for name in words.get_feature_names_out()]
    with quiet(), np.errstate():  # the package turns off numpy's warnings permanently
        model = Corex(n_hidden=n_topics, seed=seed)
        model.fit(
            occurs,
            words=names,
            anchors=[group for group in known if group] or None,
            anchor_strength=anchor_strength,
        )

    def encode(new: Sequence[str], new_vectors: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(model.transform(words.transform(new), details=True)[0])

    scores = np.asarray(model.p_y_given_x)
    return Fitted(scores, np.where(scores.max(axis=1) > 0.5, scores.argmax(axis=1), -1), encode)


def bertopic(
    texts: Sequence[str],
    vectors: np.ndarray,
    n_topics: int | None = None,
    seed: int = 0,
    *,
    scores: str = "distribution",
    assign_outliers: bool = False,
) -> Fitted:
    """BERTopic with its defaults, English stop words and precomputed vectors.

    With `n_topics`, the minimum topic size is 5 and topics are reduced to this number; the default size of 10 leaves too
    few topics. `scores` is ``distribution`` (approximate_distribution: windows of c-TF-IDF) or ``probabilities``
    (HDBSCAN's soft clusters). With `assign_outliers`, texts without a topic get the nearest one (reduce_outliers).
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
        with quiet():
            if scores == "probabilities":
                return np.asarray(model.transform(list(new), new_vectors)[1])
            return np.asarray(model.approximate_distribution(list(new))[0])

    with quiet():
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
    """turftopic's KeyNMF with precomputed vectors; `seed_phrase` is its equivalent of a goal."""
    with quiet():
        from turftopic import KeyNMF

        model = KeyNMF(n_topics, encoder=TermEncoder(), random_state=seed, seed_phrase=seed_phrase)
        scores = model.fit_transform(list(texts), embeddings=vectors)

    def encode(new: Sequence[str], new_vectors: np.ndarray) -> np.ndarray:
        with quiet():
            return np.asarray(model.transform(list(new), embeddings=new_vectors))

    return fitted_by_argmax(scores, encode)


def fastopic(texts: Sequence[str], vectors: np.ndarray, n_topics: int, seed: int = 0) -> Fitted:
    """FASTopic as ported by turftopic: the package fastopic depends on a torchvision built for CUDA."""
    with quiet():
        from turftopic import FASTopic

        random.seed(seed)  # the port ignores its random_state and draws its seed from this generator
        model = FASTopic(n_topics, encoder=TermEncoder(), random_state=seed)
        scores = model.fit_transform(list(texts), embeddings=vectors)
    return fitted_by_argmax(
        scores, lambda new, new_vectors: np.asarray(model.transform(new, embeddings=new_vectors))
    )


def semantic_signals(texts: Sequence[str], vectors: np.ndarray, n_topics: int, seed: int = 0) -> Fitted:
    """turftopic's SemanticSignalSeparation (S³): independent components of the vectors.

    The sign of a component is arbitrary, so the dominant topic of a text is the one with the largest absolute score.
    """
    with quiet():
        from turftopic import SemanticSignalSeparation

        model = SemanticSignalSeparation(n_topics, encoder=TermEncoder(), random_state=seed)
        scores = np.asarray(model.fit_transform(list(texts), embeddings=vectors))

    def encode(new: Sequence[str], new_vectors: np.ndarray) -> np.ndarray:
        return np.asarray(model.transform(list(new), embeddings=new_vectors))

    return Fitted(scores, np.abs(scores).argmax(axis=1), encode)


def fitted_by_argmax(scores: np.ndarray, encode: Encode) -> Fitted:
    """Return a `Fitted` in which the dominant topic of a text is the one with the highest score."""
    values = np.asarray(scores)
    return Fitted(values, values.argmax(axis=1), encode)


def _tfidf() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(min_df=2, stop_words="english")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings and what the packages print on stdout."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield

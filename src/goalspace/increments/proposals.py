"""Joining the proposals and links of further texts to those of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from goalspace.corpus import Corpus
from goalspace.encoders.protocol import Encoder, encode_missing, encode_properties
from goalspace.increments.placement import moves_proposals
from goalspace.links import Links
from goalspace.links.heads import PairTable, add_proposals
from goalspace.proposals import Proposals
from goalspace.proposals.vocabulary import MERGE, merge_near_duplicates

# counts of proposals that are about the latest calls, or about a sample of the texts of the run
_OF_CALLS = ("cap", "n_unparsed", "unread", "n_texts", "properties_by_read", "new_by_read")


def take_texts(corpus: Corpus, rows: Sequence[int]) -> Corpus:
    """Return a corpus of some texts, without duplicates and metadata."""
    return replace(
        corpus,
        ids=tuple(corpus.ids[row] for row in rows),
        texts=tuple(corpus.texts[row] for row in rows),
        counts=corpus.counts[list(rows)],
        duplicates={},
        metadata={},
        folded=(),
        folded_metadata={},
    )


def join_proposals(
    known: Proposals,
    further: Proposals | None,
    rows: Sequence[int],
    encoder: Encoder,
    *,
    known_vectors: np.ndarray | None,
    n_texts: int,
    not_relevant: Sequence[int],
    merge: float = MERGE,
) -> Proposals:
    """Add proposals for further texts to those of a run.

    Parameters
    ----------
    known
        The proposals of the run; its properties keep their order.
    further
        Proposals for some further texts; None if no text was read.
    rows
        The row of each of these texts in the joined corpus.
    encoder
        Encoder for finding properties that the run has under a similar name (see `merge_near_duplicates`).
    known_vectors
        (n_known_properties, dim) vectors of the run's properties by this encoder, if they are at hand.
    n_texts
        The number of texts in the joined corpus.
    not_relevant
        The rows of further texts that are not relevant to the goal, beside those that `further` names.
    merge
        Cosine from which two properties are merged.

    Returns
    -------
    The properties of the run, then the new ones.
    """
    # what was not read is asked for by the run itself
    stats = {name: value for name, value in known.stats.items() if name not in _OF_CALLS}
    if further is None:
        stats |= {
            "coverage": len(np.unique(known.text_index)) / n_texts,
            "n_not_relevant": len(known.not_relevant) + len(not_relevant),
        }
        return replace(known, not_relevant=(*known.not_relevant, *not_relevant), stats=stats)
    counts = Counter(dict(zip(known.properties, (known.n_texts_with() + len(rows)).tolist(), strict=True)))
    counts.update(dict(zip(further.properties, further.n_texts_with().tolist(), strict=True)))
    stands_for = {name: name for name in known.properties}
    if fresh := [name for name in further.properties if name not in stands_for]:
        names = [*known.properties, *fresh]
        reader = _WithKnown(encoder, known.properties, known_vectors)
        found = merge_near_duplicates(names, [counts[name] for name in names], reader, threshold=merge)
        stands_for |= {name: found[name] for name in fresh}
    added = [name for name in further.properties if stands_for[name] == name and name not in known.properties]
    properties = (*known.properties, *added)
    index = {name: i for i, name in enumerate(properties)}
    pairs: dict[tuple[int, int], str | None] = {}
    forms = {
        name: dict.fromkeys(own) for name, own in zip(known.properties, known.surface_forms, strict=True)
    }
    for text, prop, quote in zip(further.text_index, further.property_index, further.quotes, strict=True):
        name = stands_for[further.properties[prop]]
        pair = rows[text], index[name]
        pairs[pair] = pairs.get(pair) or quote
        forms.setdefault(name, {}).update(dict.fromkeys(further.surface_forms[prop]))
    text_index = np.concatenate([known.text_index, np.array([row for row, _ in pairs], dtype=np.int32)])
    property_index = np.concatenate([known.property_index, np.array([i for _, i in pairs], dtype=np.int32)])
    irrelevant = {*not_relevant, *(rows[text] for text in further.not_relevant)}
    quotes = (*known.quotes, *pairs.values())
    return Proposals(
        properties,
        text_index.astype(np.int32),
        property_index.astype(np.int32),
        quotes,
        tuple(tuple(forms[name]) for name in properties),
        (*known.not_relevant, *sorted(irrelevant)),
        {**known.analyses, **{rows[text]: analysis for text, analysis in further.analyses.items()}},
        {
            **stats,
            **{name: further.stats[name] for name in _OF_CALLS if name in further.stats},
            "n_read": known.stats.get("n_read", 0) + len(rows),
            "n_properties": len(properties),
            "n_pairs": len(text_index),
            "coverage": len(np.unique(text_index)) / n_texts,
            "n_not_relevant": len(known.not_relevant) + len(irrelevant),
            "n_quotes": sum(quote is not None for quote in quotes),
        },
    )


class _WithKnown:
    """An encoder of properties of which some vectors are at hand.

    Parameters
    ----------
    encoder
        The encoder.
    names, vectors
        The properties, and their vectors (n, dim) if they are at hand.
    """

    def __init__(self, encoder: Encoder, names: Sequence[str], vectors: np.ndarray | None) -> None:
        self._encoder = encoder
        self._found = {} if vectors is None else dict(zip(names, vectors, strict=True))
        self.name, self.dim = encoder.name, encoder.dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Encode texts."""
        return self._encoder.encode(texts)

    def encode_properties(self, properties: Sequence[str]) -> np.ndarray:
        """Encode the properties whose vectors are not at hand (n_properties, dim)."""
        return encode_missing(properties, self._found, partial(encode_properties, self._encoder))


def join_links(links: Links, vectors: np.ndarray, joined: Proposals, encoder: Encoder) -> Links:
    """Add the vectors (n_further, dim) of further texts, and of the properties that are new among the joined ones.

    As in `link`, texts with proposals move half way towards these, unless the encoder of the links chose the properties.
    """
    added = joined.properties[len(links.property_vectors) :]
    properties = links.property_vectors
    if added:
        own = links.encode_properties(added, encoder=encoder).astype(np.float32)
        properties = np.concatenate([properties, own])
    n_known, vectors = len(links.text_vectors), vectors.astype(np.float32)
    if moves_proposals(links):
        of_further = joined.text_index >= n_known
        pairs = PairTable.build(
            joined.text_index[of_further] - n_known, joined.property_index[of_further], len(vectors)
        )
        if len(pairs.rows):
            vectors = add_proposals(vectors, properties, pairs)
    text_vectors = np.concatenate([links.text_vectors, vectors])
    return replace(links, text_vectors=text_vectors, property_vectors=properties)

"""Links: how strongly every text has every property (dual encoder)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from goalspace.checked import Layout, check, expect, read_arrays, read_rows, readable
from goalspace.corpus import Corpus
from goalspace.corpus.folding import cleaned
from goalspace.encoders.cache import cached
from goalspace.encoders.passages import AUTO, OFF, PassageEncoder, Passages, is_passages
from goalspace.encoders.protocol import Encoder, encode_properties
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError
from goalspace.files import atomic_path, read_json, save_array, write_json
from goalspace.links import heads, towers
from goalspace.links.features import Blocks
from goalspace.links.heads import PairTable, evaluate_links, split
from goalspace.llm.address import RecordedSpec
from goalspace.llm.limits import Limits
from goalspace.progress import Progress
from goalspace.proposals import OFFLINE, Proposals
from goalspace.vectors.geometry import spread_rows

_LAYOUT: Layout = {
    "text_vectors?": ("float", "n_texts", "dim"),  # folders of earlier versions
    "property_vectors": ("float", "n_properties", "dim"),
    **{f"tower.{name}": shape for name, shape in towers.LAYOUT.items()},
}
TEXT_VECTORS = "text_vectors.npy"
_MAX_FITTED = (
    100_000  # texts whose features the towers are chosen and fitted with, beside those with proposals
)
_MIN_TEXTS = 30  # texts with proposals needed to train and evaluate a head


@dataclass(frozen=True)
class Links:
    """Text and property vectors in one space; their inner product is the strength of the link.

    Attributes
    ----------
    text_vectors
        (n_texts, dim) float32, of length 1. Those of texts with proposals from a language model point half to these.
    property_vectors
        (n_properties, dim) float32, of length 1.
    recipe
        How the text vectors are computed: "untrained", "full", or the features that the text head reads.
    metrics
        Held-out recall@k and AUC of the chosen recipe and of the untrained encoder.
    tower
        Maps new texts into the space.
    encoder
        The sentence encoder of both towers.
    passages
        How texts longer than its window are read (see `PassageEncoder`).
    """

    text_vectors: np.ndarray
    property_vectors: np.ndarray
    recipe: str
    metrics: Mapping[str, Any]
    tower: towers.TextTower
    encoder: str | Encoder = field(default="minilm", compare=False)
    passages: Passages = OFF

    @property
    def dim(self) -> int:
        """Dimension of the common space."""
        return int(self.property_vectors.shape[1])

    @property
    def encoder_name(self) -> str:
        """Spec or name of the encoder."""
        return self.encoder if isinstance(self.encoder, str) else self.encoder.name

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Encode texts, seen or new, without a language model (n_texts, dim)."""
        reader = PassageEncoder(get_encoder(self.encoder), self.passages)
        return self.tower.project([cleaned(text) for text in texts], reader)

    def encode_properties(self, properties: Sequence[str], *, encoder: Encoder | None = None) -> np.ndarray:
        """Encode properties, from the vocabulary or not (n, dim).

        Parameters
        ----------
        properties
            Short phrases.
        encoder
            The encoder of the links if it is already loaded.
        """
        vectors = encode_properties(encoder or get_encoder(self.encoder), properties)
        head = self.tower.head
        return vectors if head is None else towers.centre(head.space.project(vectors), head.centre)

    def scores(self, texts: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Link strengths of some texts with all properties (n, n_properties); all at once may be large."""
        return np.asarray(self.text_vectors[texts] @ self.property_vectors.T)

    def save(self, folder: Path) -> None:
        """Write text_vectors.npy, vectors.safetensors and links.json into `folder`."""
        from safetensors.numpy import save_file

        # of its own, since safetensors would hold two copies in memory
        save_array(folder / TEXT_VECTORS, self.text_vectors)
        with atomic_path(folder / "vectors.safetensors") as path:
            arrays = {"property_vectors": self.property_vectors}
            arrays |= {f"tower.{key}": value for key, value in self.tower.arrays().items()}
            # safetensors writes the memory as it lies: a transposed array would come back scrambled
            save_file({key: np.ascontiguousarray(value) for key, value in arrays.items()}, path)
        write_json(
            folder / "links.json",
            {
                "recipe": self.recipe,
                "encoder": self.encoder_name,
                "passages": self.passages,
                "metrics": dict(self.metrics),
            },
        )

    @classmethod
    def load(cls, folder: Path, *, encoder: str | Encoder | None = None, n_texts: int | None = None) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        folder
            The folder.
        encoder
            The encoder, if the saved name cannot be resolved or names an endpoint.
        n_texts
            The number of texts that the links must have, if known.

        Raises
        ------
        InputError
            If a file is missing or damaged.
        """
        again = f"run goalspace link {folder.parent} again"
        path = folder / "links.json"
        with readable(path, again=again):
            about = read_json(path)
            check(about, {"recipe": str, "encoder": str, "passages?": (str, int), "metrics": {str: object}})
            passages = about.get("passages", OFF)  # earlier versions read the beginning only
            expect(is_passages(passages), "'passages' is neither auto, off nor a number of at least 1")
        path = folder / "vectors.safetensors"
        with readable(path, again=again):
            arrays = read_arrays(path, _LAYOUT, {} if n_texts is None else {"n_texts": n_texts})
            expect(len(arrays["property_vectors"]) > 0, "it has no properties")
            tower = towers.TextTower.from_arrays(
                {name.removeprefix("tower."): a for name, a in arrays.items() if name.startswith("tower.")}
            )
        text_vectors = arrays.get("text_vectors")
        if text_vectors is None:
            path = folder / TEXT_VECTORS
            with readable(path, again=again):
                sizes = {"dim": arrays["property_vectors"].shape[1]}
                sizes |= {} if n_texts is None else {"n_texts": n_texts}
                text_vectors = read_rows(path, "text_vectors", ("n_texts", "dim"), sizes)
        return cls(
            text_vectors,
            arrays["property_vectors"],
            about["recipe"],
            about["metrics"],
            tower,
            encoder or RecordedSpec(about["encoder"]),
            passages,
        )


def link(
    corpus: Corpus,
    proposals: Proposals,
    *,
    encoder: str | Encoder = "minilm",
    tune: Literal["heads", "full", "none"] = "heads",
    passages: Passages = AUTO,
    seed: int = 0,
    tuned_folder: Path | None = None,
    limits: Limits | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> Links:
    """Learn from the proposals to score every text against every property (Instruct-LF §3.2).

    With "heads", the text tower is a linear map from features of the text into the space of the property vectors,
    fitted in closed form to the mean vector of the text's proposals. Which features it reads (sentence vector,
    surface and format, character n-grams) and its regularisation are chosen by how well the similarities of held-out texts
    agree with those of their proposals; where the encoder as it is agrees better, it is used as it is.

    Parameters
    ----------
    corpus
        The texts, including those without proposals.
    proposals
        The pairs to learn from.
    encoder
        The sentence encoder of both towers.
    tune
        "heads" trains on cached vectors, "full" also fine-tunes the encoder, "none" trains nothing.
    passages
        How texts longer than the encoder's window are read: "auto", all of them, in passages; a number, in at most so many
        passages; "off", only their beginning.
    seed
        Seed of the held-out split.
    tuned_folder
        Where a fully tuned encoder is kept; required for "full".
    limits
        What the calls of an encoder behind an endpoint may cost, and how fast they may go.
    cache_dir
        Folder in which vectors are cached.
    progress
        Called with (current step, items done, items in total).

    Raises
    ------
    InputError
        If `tune` or `passages` is unknown or there are no pairs.
    """
    if tune not in ("heads", "full", "none"):
        raise InputError(f"The 'tune' parameter of link must be heads, full or none. Got {tune!r} instead.")
    report = partial(progress, "embedding") if progress else None
    reader = PassageEncoder(cached(encoder, cache_dir, report, limits), passages, report=report)
    links = _link(corpus, proposals, reader, encoder, tune, seed, tuned_folder, progress)
    return replace(links, passages=passages, metrics={**links.metrics, **reader.count(corpus.texts)})


def _link(
    corpus: Corpus,
    proposals: Proposals,
    encoder: PassageEncoder,
    name: str | Encoder,
    tune: str,
    seed: int,
    tuned_folder: Path | None,
    progress: Progress | None,
) -> Links:
    properties = encoder.encode_properties(proposals.properties)
    sentences = encoder.encode(corpus.texts)
    pairs = heads.PairTable.build(proposals.text_index, proposals.property_index, len(corpus))
    if _is_chosen_by(encoder, proposals):  # it has nothing to learn from its own choice
        return Links(sentences, properties, "untrained", {}, towers.TextTower.untrained(), name)
    if tune == "none" or len(pairs.rows) < _MIN_TEXTS:
        metrics = _few(len(pairs.rows)) if tune != "none" else {}
        if len(pairs.rows) >= _MIN_TEXTS:
            split = heads.split(pairs.rows, seed)
            metrics |= _named(
                "untrained_", heads.evaluate_links(sentences[split[0]] @ properties.T, pairs, split[0])
            )
            metrics |= {"recall_at_10": metrics["untrained_recall_at_10"], "auc": metrics["untrained_auc"]}
        return Links(sentences, properties, "untrained", metrics, towers.TextTower.untrained(), name)
    if tune == "full":
        return _link_tuned(corpus, proposals, encoder, name, pairs, sentences, properties, seed, tuned_folder)
    if progress:
        progress("choosing what the text tower reads", 0, 1)
    return _link_heads(corpus, sentences, properties, pairs, name, seed)


def _link_heads(
    corpus: Corpus,
    sentences: np.ndarray,
    properties: np.ndarray,
    pairs: heads.PairTable,
    encoder: str | Encoder,
    seed: int,
) -> Links:
    """Choose the towers on held-out texts and refit them on all texts; fall back to the encoder if they do not help.

    Agreement is measured with the whitened properties, whose frequent directions do not hide the others.
    """
    # the towers are chosen and fitted among the texts with proposals and some others
    rows = np.union1d(spread_rows(len(corpus), _MAX_FITTED), pairs.rows)
    texts, some, known = [corpus.texts[row] for row in rows], sentences[rows], pairs.take(rows)
    folds = heads.split(known.rows, seed)
    counts = np.bincount(np.concatenate(known.properties), minlength=len(properties))
    plain, whitened = towers.Space.plain(properties.shape[1]), towers.Space.whitened(properties, counts)
    targets = [heads.make_targets(whitened, properties, known, fold) for fold in folds]
    untrained = heads.mean_of(
        heads.evaluate_links(some[fold] @ properties.T, known, fold)
        | {"agreement": heads.measure_agreement(some[fold], wanted)}
        for fold, wanted in zip(folds, targets, strict=True)
    )
    blocks = Blocks.fit(texts, some, seed=seed)
    spaces = (plain, whitened)
    is_part = len(rows) < len(corpus)
    choice, held_out, table = heads.choose(
        blocks, spaces, some, properties, known, folds, targets, frugal=is_part
    )
    metrics: dict[str, Any] = {
        **_named("untrained_", untrained),
        "n_heldout": sum(len(fold) for fold in folds),
        "candidates": table,
    }
    if held_out["agreement"] <= untrained["agreement"]:
        return Links(
            heads.add_proposals(sentences, properties, pairs),
            properties,
            "untrained",
            {**metrics, **untrained},
            towers.TextTower.untrained(),
            encoder,
        )
    head = heads.fit_head(blocks, choice, some, properties, known, known.rows)
    tower = towers.TextTower(blocks.only(choice.features), head)
    own = towers.centre(head.space.project(properties), head.centre)
    if is_part:
        vectors = tower.project_blocks(corpus.texts, sentences)
    else:
        vectors = head.project(blocks.stack(choice.features), sentences)
    return Links(
        heads.add_proposals(vectors, own, pairs),
        own,
        str(choice),
        {**metrics, **held_out, "alpha": choice.alpha, "residual": choice.residual},
        tower,
        encoder,
    )


def _link_tuned(
    corpus: Corpus,
    proposals: Proposals,
    encoder: PassageEncoder,
    name: str | Encoder,
    pairs: PairTable,
    sentences: np.ndarray,
    properties: np.ndarray,
    seed: int,
    folder: Path | None,
) -> Links:
    """Fine-tune the encoder on all folds but one, and keep the better of its links and those of the heads."""
    from goalspace.training import train
    from goalspace.training.pairs import Pairs

    heads = _link_heads(corpus, sentences, properties, pairs, name, seed)
    held_out = split(pairs.rows, seed)[0]
    known = ~np.isin(proposals.text_index, held_out)
    tuned = train(
        get_encoder(name),
        Pairs(
            corpus.texts,
            proposals.properties,
            proposals.text_index[known],
            proposals.property_index[known],
        ),
        epochs=3,
        seed=seed,
    )
    tuned_texts = PassageEncoder(tuned, encoder.passages).encode(corpus.texts)
    tuned_properties = tuned.encode(proposals.properties)
    measured = evaluate_links(tuned_texts[held_out] @ tuned_properties.T, pairs, held_out)
    rival = heads.metrics["recall_at_k"]
    metrics = {**heads.metrics, "full_recall_at_k": measured["recall_at_k"], "heads_recall_at_k": rival}
    if measured["recall_at_k"] <= rival or folder is None:
        return Links(
            heads.text_vectors, heads.property_vectors, heads.recipe, metrics, heads.tower, heads.encoder
        )
    tuned.save(folder)
    return Links(
        tuned_texts,
        tuned_properties,
        "full",
        {**metrics, **measured, "n_heldout": len(held_out)},
        towers.TextTower.untrained(),
        str(folder),
    )


def _is_chosen_by(encoder: Encoder, proposals: Proposals) -> bool:
    """Return whether the encoder chose the properties itself: offline, `goal` and `multilingual` do."""
    return proposals.stats.get("proposer") == OFFLINE and encoder.name.startswith(("goal", "multilingual@"))


def _few(n_texts: int) -> dict[str, Any]:
    return {"too_few": f"only {n_texts} texts have proposals; {_MIN_TEXTS} are needed to learn from them"}


def _named(prefix: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in metrics.items()}

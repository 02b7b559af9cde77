"""The order of the stages and the folder their artefacts live in; discover()."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from goalspace import _edits, _english
from goalspace._consequences import Bench
from goalspace._edits import Edits
from goalspace._files import digest
from goalspace._record import (
    FILES,
    FORMAT,
    STAGES,
    default_folder,
    locked,
    new_record,
    read_record,
    source_name,
    stage_entry,
    stage_files,
    stale_stages,
    write_record,
)
from goalspace.corpus import Corpus
from goalspace.encoders import Encoder, get_encoder
from goalspace.errors import InputError
from goalspace.factors import Factors, factor
from goalspace.links import Links, link
from goalspace.llm import LLM, get_llm
from goalspace.proposals import Proposals, propose

Progress = Callable[[str, int, int], None]

FEWEST_TEXTS = 10


class Run:
    """A run folder: its goal, what each stage did, and the artefacts, read when they are asked for.

    Parameters
    ----------
    path
        The folder.
    record
        What run.json says.
    """

    kind = "texts"
    derived: tuple[str, ...] = ()  # metadata columns that only repeat the factors

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        self.path = path
        self.record = record

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open a run folder; needs neither torch nor an LLM.

        Raises
        ------
        InputError
            If the folder holds no run, or one of a newer format.
        """
        folder = Path(path)
        return cls(folder, read_record(folder))

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, goal={self.goal!r}, stages={list(self.record['stages'])})"

    @property
    def goal(self) -> str:
        """What the analyst wants to know."""
        return str(self.record["goal"])

    @cached_property
    def corpus(self) -> Corpus:
        """The texts."""
        with stage_files(self.path, self.record, "corpus") as path:
            return Corpus.load(path)

    @cached_property
    def proposals(self) -> Proposals:
        """Which properties each text has."""
        with stage_files(self.path, self.record, "propose") as path:
            return Proposals.load(path, self.corpus, self._result("propose"))

    @cached_property
    def links(self) -> Links:
        """How strongly every text has every property."""
        with stage_files(self.path, self.record, "link") as path:
            return Links.load(path.parent)

    @cached_property
    def fitted(self) -> Factors:
        """The latent factors before any edit."""
        with stage_files(self.path, self.record, "factor") as path:
            return Factors.load(path.parent, self.links, self._result("factor"))

    @cached_property
    def factors(self) -> Factors:
        """The latent factors, as the analyst's edits left them."""
        return _edits.load(self.path, self.fitted, self.links, self.fit)

    @cached_property
    def edits(self) -> Edits:
        """The analyst's corrections of the factors."""
        return _edits.read_log(self.path)

    @property
    def fit(self) -> str:
        """Digest of the stage that found the factors."""
        return str(self.record["stages"].get("factor", {}).get("digest", ""))

    def bench(self, encoder: Callable[[], Encoder] | None = None) -> Bench:
        """What edits work on; `encoder` returns that of the links where it is loaded already."""
        seed = int(self.record["stages"]["factor"]["arguments"].get("seed") or 0)
        return Bench(self.corpus, self.links, encoder or (lambda: get_encoder(self.links.encoder)), seed)

    def edited(self, factors: Factors) -> Self:
        """This run with other factors, after an edit that its folder holds."""
        other = copy.copy(self)
        other.__dict__.pop("edits", None)
        other.__dict__["factors"] = factors
        return other

    def chosen(self, row: int) -> list[dict[str, str]]:
        """What a selection or a retrieval said of a text, as name and value; of texts nothing does."""
        return []

    def stale(self) -> list[str]:
        """Stages whose artefacts no longer follow from those before them, or are missing."""
        return stale_stages(self.record)

    def _result(self, stage: str) -> dict[str, Any]:
        result: dict[str, Any] = self.record["stages"].get(stage, {}).get("result", {})
        return result

    def forget(self) -> None:
        """Drop artefacts held in memory, after a stage was redone."""
        for name in ("corpus", "proposals", "links", "fitted", "factors", "edits"):
            self.__dict__.pop(name, None)


def discover(
    source: Any,
    *,
    goal: str,
    out: str | os.PathLike[str] | None = None,
    text: str | None = None,
    id: str | None = None,
    llm: str | LLM | None = None,
    encoder: str | Encoder = "minilm",
    tune: str = "heads",
    n_factors: int | None = None,
    sample: int | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Find the latent factors of texts for a goal: read, propose, link, factor.

    A stage that the folder already holds for the same input and arguments is not redone, so that a run that was
    interrupted goes on where it stopped.

    Parameters
    ----------
    source
        A file or folder of texts, a data frame, or a list of strings (see `Corpus.read`).
    goal
        What you want to know, in plain language.
    out
        The run folder; by default runs/ and a name made from the source and the goal.
    text, id
        The columns that hold the texts and their ids.
    llm
        Proposes properties and names factors; None works offline (see `propose`).
    encoder
        The sentence encoder (see `get_encoder`).
    tune
        "heads", "full" or "none" (see `link`).
    n_factors
        How many factors; None chooses.
    sample
        Let the proposer read only this many texts.
    seed
        Of everything that is drawn at random.
    options
        Further arguments of `propose`.
    progress
        Called with (what is being done, done, in all).

    Returns
    -------
    The finished run.

    Raises
    ------
    InputError
        If the input is wrong; nothing is written then.
    LLMError
        If the endpoint fails; replies that arrived are kept and not asked for again.
    """
    if not goal or not goal.strip():
        raise InputError(
            'The goal is empty. Say what you want to know, for example --goal "why customers leave".'
        )
    goal = " ".join(goal.split())
    _check_llm(llm)
    if progress:
        progress("reading the texts", 0, 1)
    started = time.monotonic()
    corpus = Corpus.read(source, text=text, id=id)
    if len(corpus) < FEWEST_TEXTS:
        raise InputError(
            f"{source_name(source)} holds {len(corpus)} different text{'s' * (len(corpus) != 1)}, too few to find "
            f"factors in: give at least {FEWEST_TEXTS}."
        )
    path = Path(out) if out is not None else default_folder(source, goal)
    run = _begin(path, goal)
    with locked(path):
        _note_corpus(run, corpus, {"source": source_name(source), "text": text, "id": id}, started)
        arguments = {
            "propose": {"llm": llm, "encoder": encoder, "sample": sample, "seed": seed, **(options or {})},
            "link": {"encoder": encoder, "tune": tune, "seed": seed},
            "factor": {"n_factors": n_factors, "llm": llm, "seed": seed},
        }
        for stage in STAGES[1:]:
            _do(run, stage, arguments[stage], progress=progress)
    return run


def redo(run: Run, stage: str, changes: Mapping[str, Any], *, progress: Progress | None = None) -> list[str]:
    """Do one stage of a run again, with its recorded arguments and some changes.

    Parameters
    ----------
    run
        The run; its later stages keep their artefacts until they are redone.
    stage
        "propose", "link" or "factor".
    changes
        Arguments that differ from the recorded ones.
    progress
        Called with (what is being done, done, in all).

    Returns
    -------
    The stages that are now stale.
    """
    if stage not in STAGES[1:]:
        raise InputError(
            f"The 'stage' parameter of redo must be propose, link or factor. Got {stage!r} instead."
        )
    before = STAGES[: STAGES.index(stage)]
    blocked = [name for name in run.stale() if name in before]
    if blocked:
        raise InputError(f"{run.path}: first redo the stage '{blocked[0]}', on which '{stage}' builds.")
    recorded = run.record["stages"].get(stage, {}).get("arguments", {})
    with locked(run.path):
        _do(run, stage, {**recorded, **changes}, progress=progress, again=True)
    return run.stale()


def _do(
    run: Run, stage: str, arguments: dict[str, Any], *, progress: Progress | None, again: bool = False
) -> None:
    """Do a stage unless the folder holds it for the same arguments and input, and record it."""
    before = run.record["stages"][STAGES[STAGES.index(stage) - 1]]["digest"]
    named = {name: _name(value) for name, value in arguments.items()}
    mark = digest(stage, FORMAT, named, _recorded_digest(arguments.get("llm")), before, run.goal)
    entry = run.record["stages"].get(stage)
    done = all((run.path / name).is_file() for name in FILES[stage])
    if entry and entry["digest"] == mark and entry["after"] == before and done and not again:
        return
    started = time.monotonic()
    work = {"propose": _propose, "link": _link, "factor": _factor}[stage]
    result = work(run, arguments, progress)
    run.record["stages"][stage] = stage_entry(named, mark=mark, after=before, started=started, result=result)
    write_record(run.path, run.record)
    run.forget()
    if stage == "factor" and run.edits.done:
        if progress:
            progress("making the edits again", 0, 1)
        _edits.follow(run.path, run.bench(), run.fitted, run.fit)
        run.forget()


def _propose(run: Run, arguments: Mapping[str, Any], progress: Progress | None) -> dict[str, Any]:
    proposals = propose(
        run.corpus,
        goal=run.goal,
        cache=run.path / "llm.sqlite",
        vectors=run.path / "vectors",
        progress=progress,
        **arguments,
    )
    proposals.save(run.path / "proposals.jsonl", run.corpus)
    return dict(proposals.stats)


def _link(run: Run, arguments: Mapping[str, Any], progress: Progress | None) -> dict[str, Any]:
    links = link(
        run.corpus,
        run.proposals,
        vectors=run.path / "vectors",
        tuned_folder=run.path / "links" / "encoder",
        progress=progress,
        **arguments,
    )
    links.save(run.path / "links")
    metrics = {name: value for name, value in links.metrics.items() if name != "candidates"}
    if arguments["encoder"] in _english.ENCODERS:
        metrics["share_foreign"] = _english.share_foreign(run.corpus.texts)
    return {"recipe": links.recipe, "encoder": _name(arguments["encoder"]), **metrics}


def _factor(run: Run, arguments: Mapping[str, Any], progress: Progress | None) -> dict[str, Any]:
    llm = arguments["llm"]
    recorded = isinstance(llm, str) and llm.startswith("recorded:")
    factors = factor(
        run.corpus,
        run.proposals,
        run.links,
        goal=run.goal,
        cache=run.path / "llm.sqlite",
        vectors=run.path / "vectors",
        progress=progress,
        **{**arguments, "llm": None if recorded else llm},
    )
    factors.save(run.path)
    return dict(factors.stats)


def _begin(path: Path, goal: str) -> Run:
    """Open the folder when it holds a run of this goal, else start one there."""
    if (path / "run.json").is_file():
        run = Run.open(path)
        if run.goal != goal:
            raise InputError(
                f'{path} holds a run with another goal ("{run.goal}"). Choose another folder with --out, or '
                "delete that one."
            )
        return run
    if path.exists() and (not path.is_dir() or any(p.name != "vectors" for p in path.iterdir())):
        raise InputError(f"{path} exists and is no run folder. Choose another with --out.")
    path.mkdir(parents=True, exist_ok=True)
    run = Run(path, new_record(goal))
    write_record(run.path, run.record)
    return run


def _note_corpus(run: Run, corpus: Corpus, arguments: dict[str, Any], started: float) -> None:
    """Keep the texts in the folder unless they are there."""
    mark = digest(corpus.digest, corpus.counts)
    entry = run.record["stages"].get("corpus")
    if entry and entry["digest"] == mark and (run.path / "corpus.parquet").is_file():
        return
    corpus.save(run.path / "corpus.parquet")
    named = {**arguments, "text": corpus.text_column, "id": corpus.id_column}
    run.record["stages"]["corpus"] = stage_entry(
        named, mark=mark, after=None, started=started, result=dict(corpus.stats)
    )
    write_record(run.path, run.record)
    run.forget()


def _check_llm(llm: str | LLM | None) -> None:
    """Fail before anything is written when the model is misspelt or lacks its key."""
    if isinstance(llm, str) and llm.startswith("recorded:"):
        path = Path(llm.removeprefix("recorded:").partition("#")[0])
        if not path.is_file():
            raise InputError(f"There is no file {path} with recorded properties.")
    elif llm is not None:
        get_llm(llm)


def _recorded_digest(llm: Any) -> str | None:
    """A recorded file is input: another content makes the stage stale."""
    if isinstance(llm, str) and llm.startswith("recorded:"):
        return digest(Path(llm.removeprefix("recorded:").partition("#")[0]).read_bytes())
    return None


def _name(value: Any) -> Any:
    """What run.json says of an argument: models and encoders by name."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(getattr(value, "name", type(value).__name__))

"""The stages of a run in order: discover() and redo()."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goalspace.corpus import Corpus
from goalspace.encoders.protocol import Encoder
from goalspace.errors import InputError
from goalspace.llm import get_llm
from goalspace.llm.protocol import LLM
from goalspace.progress import Progress
from goalspace.run.folder import Run
from goalspace.run.record import (
    STAGES,
    current_arguments,
    default_folder,
    locked,
    new_record,
    source_name,
    write_record,
)
from goalspace.run.stages import do_stage, save_corpus

__all__ = ["Run", "discover", "redo"]

MIN_TEXTS = 10


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

    Stages that the folder already holds for the same input and arguments are skipped, so an interrupted run resumes
    where it stopped.

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
        The language model that proposes properties and names factors; None works offline (see `propose`).
    encoder
        The sentence encoder (see `get_encoder`).
    tune
        "heads", "full" or "none" (see `link`).
    n_factors
        Number of factors; None chooses it from the data.
    sample
        Let the proposer read only this many texts.
    seed
        Seed of all random choices.
    options
        Further arguments of `propose`.
    progress
        Called with (current step, items done, items in total).

    Returns
    -------
    The finished run.

    Raises
    ------
    InputError
        If the input is invalid; nothing has been written.
    LLMError
        If the endpoint fails; replies received so far are cached and not requested again.
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
    if len(corpus) < MIN_TEXTS:
        raise InputError(
            f"{source_name(source)} holds {len(corpus)} different text{'s' * (len(corpus) != 1)}, too few to find "
            f"factors in: give at least {MIN_TEXTS}."
        )
    path = Path(out) if out is not None else default_folder(source, goal)
    run = _begin(path, goal)
    with locked(path):
        save_corpus(run, corpus, {"source": source_name(source), "text": text, "id": id}, started)
        arguments = {
            "propose": {"llm": llm, "encoder": encoder, "sample": sample, "seed": seed, **(options or {})},
            "link": {"encoder": encoder, "tune": tune, "seed": seed},
            "factor": {"n_factors": n_factors, "llm": llm, "seed": seed},
        }
        for stage in STAGES[1:]:
            do_stage(run, stage, arguments[stage], progress=progress)
    return run


def redo(run: Run, stage: str, changes: Mapping[str, Any], *, progress: Progress | None = None) -> list[str]:
    """Rerun one stage with its recorded arguments and some changes.

    Parameters
    ----------
    run
        The run; its later stages keep their artefacts until they are redone.
    stage
        "propose", "link" or "factor".
    changes
        Arguments that differ from the recorded ones.
    progress
        Called with (current step, items done, items in total).

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
        do_stage(
            run,
            stage,
            {**current_arguments(recorded), **current_arguments(changes)},
            progress=progress,
            again=True,
        )
    return run.stale()


def _begin(path: Path, goal: str) -> Run:
    """Open the run in the folder if it has this goal, or start a new one."""
    if (path / "run.json").is_file():
        run = Run.open(path)
        if run.goal != goal:
            raise InputError(
                f'{path} holds a run with another goal ("{run.goal}"). Choose another folder with --out, or '
                "delete that one."
            )
        return run
    if path.exists() and (not path.is_dir() or any(p.name != "vectors" for p in path.iterdir())):
        raise InputError(f"{path} exists and is not a run folder. Choose another one with --out.")
    path.mkdir(parents=True, exist_ok=True)
    run = Run(path, new_record(goal))
    write_record(run.path, run.record)
    return run


def _check_llm(llm: str | LLM | None) -> None:
    """Fail before anything is written if the model is misspelt or its API key is missing."""
    if isinstance(llm, str) and llm.startswith("recorded:"):
        path = Path(llm.removeprefix("recorded:").partition("#")[0])
        if not path.is_file():
            raise InputError(f"There is no file {path} with recorded properties.")
    elif llm is not None:
        get_llm(llm)

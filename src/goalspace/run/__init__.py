"""The stages of a run in order: discover() and redo()."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from goalspace.corpus import Corpus
from goalspace.encoders.passages import AUTO, PassageEncoder, Passages, check_passages
from goalspace.encoders.protocol import Encoder
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError
from goalspace.factors.plan import plan_names
from goalspace.files import is_temporary, make_folder, writing
from goalspace.llm.address import recorded
from goalspace.llm.limits import Limits
from goalspace.llm.protocol import LLM
from goalspace.progress import Progress
from goalspace.proposals.options import check_sample
from goalspace.proposals.plan import CallPlan, plan_calls, plan_vectors
from goalspace.proposals.rounds import MIN_NEW
from goalspace.proposals.sample import Sample
from goalspace.run.checks import check_keys, check_links_encoder, check_llm, masking_arguments
from goalspace.run.choice import choose_encoder
from goalspace.run.folder import Run
from goalspace.run.record import (
    STAGES,
    default_folder,
    locked,
    new_record,
    source_name,
    was_redacted,
    write_record,
)
from goalspace.run.schema import check_arguments, current_arguments
from goalspace.run.stages import do_stage, save_corpus
from goalspace.text import plural

__all__ = ["Run", "discover", "redo"]

MIN_TEXTS = 10  # or passages of long texts
_MIN_LONG_TEXTS = 3


def discover(
    source: Any,
    *,
    goal: str,
    out: str | os.PathLike[str] | None = None,
    text: str | None = None,
    id: str | None = None,
    llm: str | LLM | None = None,
    encoder: str | Encoder | None = None,
    tune: str = "heads",
    passages: Passages = AUTO,
    n_factors: int | None = None,
    sample: Sample = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    redact: bool = False,
    announce: Callable[[Sequence[CallPlan]], None] | None = None,
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
        The sentence encoder (see `get_encoder`); None is ``goal``, which reads the texts under the goal; ``multilingual`` if
        most of them do not look English and it is installed; or, as these cannot be fine-tuned, ``minilm`` if `tune` is "full".
    tune
        "heads", "full" or "none" (see `link`).
    passages
        How texts longer than the window of the encoder are read: "auto", "off" or a number (see `link`).
    n_factors
        Number of factors; None chooses it from the data.
    sample
        Let the proposer read only this many texts, or with "auto" as many as bring new properties (see `propose`).
    seed
        Seed of all random choices.
    options
        Further arguments of `propose`.
    limits
        What the calls of endpoints may cost together, and how fast those of each may go.
    redact
        Mask private data for language models (see `propose`), now and in later stages of the run.
    announce
        Called with what endpoints would be sent, perhaps nothing, before it is and before anything is written.
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
    check_passages(passages)
    check_llm(llm, limits)
    check_sample(sample, (options or {}).get("min_new", MIN_NEW), llm, limits)
    check_links_encoder(_with_goal(encoder, goal) if encoder else None, limits)
    path = Path(out) if out is not None else default_folder(source, goal)
    redact = redact or was_redacted(path)
    masking = masking_arguments(redact, encoder)
    if progress:
        progress("reading the texts", 0, 1)
    started = time.monotonic()
    corpus = Corpus.read(source, text=text, id=id)
    encoder = _with_goal(encoder or choose_encoder(corpus.texts, tune=tune), goal)
    _check_size(corpus, source, encoder, passages)
    asked: dict[str, Any] = {"llm": llm, "sample": sample, "seed": seed, **masking, **(options or {})}
    if announce:
        announce(
            _known(
                plan_calls(corpus, goal=goal, limits=limits, **asked),
                _plan_links(corpus, encoder, limits),
            )
        )
    check_keys(llm, encoder)
    run = _begin(path, goal)
    run.named = (llm, encoder)
    if not isinstance(encoder, str):  # of which the folder knows the name only
        run.encoder = encoder
    with locked(path):
        _keep_choice(run, redact)
        save_corpus(run, corpus, {"source": source_name(source), "text": text, "id": id}, started)
        del corpus  # the run reads its own, and a million texts take half a gigabyte
        arguments = {
            "propose": {"encoder": encoder, "passages": passages, **asked},
            "link": {"encoder": encoder, "tune": tune, "passages": passages, "seed": seed},
            "factor": {"n_factors": n_factors, "llm": llm, "seed": seed, **masking},
        }
        for stage in STAGES[1:]:
            do_stage(run, stage, arguments[stage], limits=limits, progress=progress)
    return run


def redo(
    run: Run,
    stage: str,
    changes: Mapping[str, Any],
    *,
    limits: Limits | None = None,
    redact: bool = False,
    announce: Callable[[Sequence[CallPlan]], None] | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Rerun one stage with its recorded arguments and some changes.

    Parameters
    ----------
    run
        The run; its later stages keep their artefacts until they are redone.
    stage
        "propose", "link" or "factor".
    changes
        Arguments that differ from the recorded ones. A recorded LLM or encoder that is an endpoint must be named again.
        For "factor", `encoder` names that of the links again, as in `Run.open`.
    limits
        What the calls of endpoints may cost together, and how fast those of each may go.
    redact
        Mask private data for language models (see `propose`), from now on; a run that does so goes on.
    announce
        Called with what endpoints would be sent, perhaps nothing, before it is.
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
    changes = current_arguments(changes)
    if "encoder" in changes:
        changes["encoder"] = _with_goal(changes["encoder"], run.goal)
    _name_endpoints(run, stage, changes)
    arguments = {**_recorded_arguments(run, stage), **changes}
    check_arguments(arguments, stage)
    check_llm(arguments.get("llm"), limits)
    check_sample(arguments.get("sample"), arguments.get("min_new", MIN_NEW), arguments.get("llm"), limits)
    redact = redact or run.is_redacted
    encoder = run.links.encoder if stage == "factor" else arguments.get("encoder")
    masking = masking_arguments(redact, encoder)
    arguments |= masking if stage != "link" else {}
    check_links_encoder(encoder, limits)
    if announce:
        planner = plan_calls if stage == "propose" else plan_names
        announce(
            _known(
                planner(run.corpus, goal=run.goal, limits=limits, **{"llm": None, **arguments}),
                _plan_links(run.corpus, encoder, limits) if stage == "link" else None,
            )
        )
    check_keys(arguments.get("llm"), encoder)
    with locked(run.path):
        _keep_choice(run, redact)
        do_stage(run, stage, arguments, limits=limits, progress=progress, again=True)
    return run.stale()


def _check_size(corpus: Corpus, source: Any, encoder: str | Encoder, passages: Passages) -> None:
    """Raise an `InputError` if there are too few texts to find factors in; a few are enough if they are long."""
    n_texts = len(corpus)
    if n_texts >= MIN_TEXTS:
        return
    counts = PassageEncoder(get_encoder(encoder), passages).count(corpus.texts)
    n_read = n_texts + max(0, counts.get("n_passages", 0) - counts.get("n_long", 0))
    if n_texts < _MIN_LONG_TEXTS or n_read < MIN_TEXTS:
        raise InputError(
            f"{source_name(source)} holds {plural(n_texts, 'different text')}, too few to find factors in: give at least "
            f"{MIN_TEXTS}, or {_MIN_LONG_TEXTS} long ones."
        )


def _keep_choice(run: Run, redact: bool) -> None:
    """Record before the first call that private data is masked, so that a run that is interrupted goes on doing so."""
    if redact and not run.is_redacted:
        run.record["redact"] = True
        write_record(run.path, run.record)


def _name_endpoints(run: Run, stage: str, changes: dict[str, Any]) -> None:
    """Let the run know what the user named; remove from the changes what is no argument of the stage."""
    run.named = (*run.named, run.encoder, changes.get("llm"), changes.get("encoder"))
    if "encoder" in changes:
        # of the factors, it is that of the links; of another stage, the links may be made with it
        run.encoder = changes.pop("encoder") if stage == "factor" else None
        run.clear_cache()


def _recorded_arguments(run: Run, stage: str) -> dict[str, Any]:
    """Return the recorded arguments of a stage, with endpoints that only the run names marked as such."""
    arguments = current_arguments(run.record["stages"].get(stage, {}).get("arguments", {}))
    for name in ("llm", "encoder"):
        if isinstance(arguments.get(name), str):
            arguments[name] = recorded(arguments[name], option=name, named=run.named)
    return arguments


def _with_goal(encoder: str | Encoder, goal: str) -> str | Encoder:
    """Return the encoder; of ``goal`` and ``multilingual``, the name that contains the goal."""
    if isinstance(encoder, str) and (encoder in ("goal", "multilingual") or encoder.startswith("goal:")):
        return get_encoder(encoder, goal=goal).name
    return encoder


def _begin(path: Path, goal: str) -> Run:
    """Open the run in the folder if it has this goal, or start a new one."""
    with writing(path):
        started = (path / "run.json").is_file()
        kept = path.exists() and (not path.is_dir() or not all(map(_may_be_left, path.iterdir())))
    if started:
        run = Run.open(path)
        if run.goal != goal:
            raise InputError(
                f'{path} holds a run with another goal ("{run.goal}"). Choose another folder with --out, or '
                "delete that one."
            )
        return run
    if kept:
        raise InputError(f"{path} exists and is not a run folder. Choose another one with --out.")
    make_folder(path)
    run = Run(path, new_record(goal))
    write_record(run.path, run.record)
    return run


def _may_be_left(path: Path) -> bool:
    """Whether a file may be of a run that was killed at its start, or of `embed`."""
    return path.name in ("vectors", ".lock") or is_temporary(path)


def _plan_links(corpus: Corpus, encoder: object, limits: Limits | None) -> CallPlan | None:
    return plan_vectors(corpus.texts, encoder=encoder, column=corpus.text_column, limits=limits)


def _known(*plans: CallPlan | None) -> list[CallPlan]:
    return [plan for plan in plans if plan is not None]

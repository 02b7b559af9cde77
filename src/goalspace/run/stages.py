"""The stages of a run; each runs only if its input has changed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goalspace.checked import readable
from goalspace.corpus import Corpus
from goalspace.edits import log
from goalspace.encoders.goal import GoalEncoder
from goalspace.encoders.passages import AUTO, OFF, has_long
from goalspace.encoders.registry import get_encoder
from goalspace.factors import factor
from goalspace.files import digest
from goalspace.language import detection
from goalspace.links import link
from goalspace.llm.limits import Limits
from goalspace.progress import Progress
from goalspace.proposals import propose
from goalspace.run.folder import Run
from goalspace.run.record import FILES, FORMAT, STAGES, stage_entry, write_record


def do_stage(
    run: Run,
    stage: str,
    arguments: dict[str, Any],
    *,
    limits: Limits | None = None,
    progress: Progress | None,
    again: bool = False,
) -> None:
    """Run a stage and record it, unless the folder already holds it for the same arguments and input.

    A stage that a limit of cost ended early runs again, as does one with unread replies if these are asked for again.
    """
    if stage != "factor":
        arguments = {**arguments, "passages": arguments.get("passages", AUTO)}
    before = run.record["stages"][STAGES[STAGES.index(stage) - 1]]["digest"]
    named = {name: argument_name(value) for name, value in arguments.items()}
    mark = _digest(run, stage, arguments, before)
    entry = run.record["stages"].get(stage)
    done = all((run.path / name).is_file() for name in FILES[stage])
    is_current = entry is not None and entry["digest"] == mark and entry["after"] == before and done
    is_partial = entry is not None and bool(
        entry["result"].get("cap") or (limits and limits.retry_unread and entry["result"].get("n_unparsed"))
    )
    if is_current and not again and not is_partial:
        return
    earlier = _proposals_digest(run)
    started = time.monotonic()
    work = {"propose": _propose, "link": _link, "factor": _factor}[stage]
    # the limits are not recorded: they do not change the result
    result = work(run, {**arguments, "limits": limits}, progress)
    run.record["stages"][stage] = stage_entry(named, mark=mark, after=before, started=started, result=result)
    if _proposals_digest(run) != earlier:
        # the arguments may be those of before: more texts were read, or other replies came
        for later in STAGES[STAGES.index("propose") + 1 :]:
            run.record["stages"].get(later, {}).update(after=None)
    write_record(run.path, run.record)
    run.clear_cache()
    if stage == "factor" and run.edits.done:
        if progress:
            progress("reapplying the edits", 0, 1)
        log.reapply(run.path, run.edit_context(), run.fitted, run.fit_digest)
        run.clear_cache()


def _digest(run: Run, stage: str, arguments: Mapping[str, Any], before: str) -> str:
    """Return the digest of a stage: that of its arguments, the earlier stages and the goal.

    How long texts are read counts only where there are some: other runs of earlier versions stay as they are.
    """
    named = {name: argument_name(value) for name, value in arguments.items()}
    passages = named.pop("passages", OFF)
    common = recorded_digest(arguments.get("llm")), before, run.goal
    plain = digest(stage, FORMAT, named, *common)
    entry = run.record["stages"].get(stage, {"digest": None})
    is_known = entry["digest"] == plain and entry["arguments"].get("passages") == passages
    if passages == OFF or is_known or not _has_long_texts(run, stage, arguments):
        return plain
    return digest(stage, FORMAT, {**named, "passages": passages}, *common)


def _has_long_texts(run: Run, stage: str, arguments: Mapping[str, Any]) -> bool:
    """Return whether the encoder of a stage reads some texts in passages; language models read no passages."""
    if stage == "propose":
        return arguments.get("llm") is None and has_long(run.corpus.texts, GoalEncoder(run.goal))
    return has_long(run.corpus.texts, get_encoder(arguments.get("encoder", "minilm")))


def _proposals_digest(run: Run) -> str | None:
    path = run.path / FILES["propose"][0]
    return digest(path.read_bytes()) if path.is_file() else None


def _propose(run: Run, arguments: Mapping[str, Any], progress: Progress | None) -> dict[str, Any]:
    proposals = propose(
        run.corpus,
        goal=run.goal,
        cache_dir=run.path,
        progress=progress,
        **arguments,
    )
    proposals.save(run.path / "proposals.jsonl", run.corpus)
    return dict(proposals.stats)


def _link(run: Run, arguments: Mapping[str, Any], progress: Progress | None) -> dict[str, Any]:
    links = link(
        run.corpus,
        run.proposals,
        cache_dir=run.path,
        tuned_folder=run.path / "links" / "encoder",
        progress=progress,
        **arguments,
    )
    links.save(run.path / "links")
    metrics = {name: value for name, value in links.metrics.items() if name != "candidates"}
    languages = detection.languages_of(argument_name(arguments["encoder"]))
    if languages:
        metrics["share_foreign"] = detection.share_foreign(run.corpus.texts, languages)
    return {"recipe": links.recipe, "encoder": argument_name(arguments["encoder"]), **metrics}


def _factor(run: Run, arguments: Mapping[str, Any], progress: Progress | None) -> dict[str, Any]:
    llm = arguments["llm"]
    recorded = isinstance(llm, str) and llm.startswith("recorded:")
    factors = factor(
        run.corpus,
        run.proposals,
        run.links,
        goal=run.goal,
        cache_dir=run.path,
        progress=progress,
        **{**arguments, "llm": None if recorded else llm},
    )
    factors.save(run.path)
    return dict(factors.stats)


def save_corpus(run: Run, corpus: Corpus, arguments: dict[str, Any], started: float) -> None:
    """Save the texts to the folder unless they are already there."""
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
    run.clear_cache()


def recorded_digest(llm: Any) -> str | None:
    """Digest of a file of recorded properties: it is an input, so a change makes the stage stale."""
    if isinstance(llm, str) and llm.startswith("recorded:"):
        path = Path(llm.removeprefix("recorded:").partition("#")[0])
        with readable(path, again="name the file of recorded properties with --llm recorded:FILE"):
            return digest(path.read_bytes())
    return None


def argument_name(value: Any) -> Any:
    """The value of an argument as recorded in run.json; models and encoders are recorded by name."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(getattr(value, "name", type(value).__name__))

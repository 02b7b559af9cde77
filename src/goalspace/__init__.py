"""goalspace: texts and a goal in plain language → a small, named latent space.

texts ──corpus──▶ Corpus ──propose(goal)──▶ Proposals ──link──▶ Links ──factor──▶ Factors ──▶ report
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# name → module that defines it; resolved on first use, so that `import goalspace` stays light
_HOMES = {
    "Corpus": "corpus",
    "Demonstrations": "curation.demonstrations",
    "Factors": "factors",
    "GoalspaceError": "errors",
    "Instructions": "instructions.dataset",
    "LinearCorex": "corex.linear",
    "Links": "links",
    "Output": "instructions.output",
    "Pairs": "training.pairs",
    "Proposals": "proposals",
    "Run": "run.folder",
    "TinyBenchmark": "curation.compression",
    "compress": "curation.compression",
    "compress_file": "instructions.compress",
    "contamination": "curation.contamination",
    "correlate": "curation.correlation",
    "correlate_files": "instructions.correlate",
    "discover": "run",
    "embed": "encoders.cache",
    "evaluate": "evaluation",
    "explore": "explorer",
    "export": "reports.exports",
    "factor": "factors",
    "get_encoder": "encoders.registry",
    "get_llm": "llm",
    "label_file": "instructions.label",
    "label_tasks": "curation.tasklabels",
    "link": "links",
    "name_clusters": "curation.tasklabels",
    "propose": "proposals",
    "redo": "run",
    "report": "reports",
    "retrieve_file": "instructions.retrieve",
    "score": "run.further_texts",
    "select": "curation.selection",
    "select_file": "instructions.select",
    "taxonomy": "curation.tasklabels",
    "train": "training",
    "update": "run.update",
    "use_engine": "engine",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'goalspace' has no attribute {name!r}")
    return getattr(importlib.import_module(f"goalspace.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""The error tree, and require(module, extra=…).

GoalspaceError
├── InputError          what the user gave is wrong: the message says what, where, and what to do
├── LLMError            an endpoint could not be reached, refused the key, or gave unusable replies
└── MissingDependency   an optional package is not installed
"""

from __future__ import annotations

import importlib
from types import ModuleType


class GoalspaceError(Exception):
    """Root of every error that goalspace raises on purpose; its message is one line for a person."""


class InputError(GoalspaceError, ValueError):
    """The input is wrong; the message names the file, the row and the remedy."""


class LLMError(GoalspaceError, RuntimeError):
    """The LLM endpoint failed in a way that trying again does not cure."""


class MissingDependency(GoalspaceError, ImportError):
    """An optional package is needed for what was asked."""


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Parameters
    ----------
    module
        Dotted name of the module.
    extra
        The goalspace extra that installs it.

    Raises
    ------
    MissingDependency
        If the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"This needs the package '{module.partition('.')[0]}': pip install 'goalspace[{extra}]'."
        ) from error

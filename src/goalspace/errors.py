"""The exception hierarchy, and `require` for optional packages.

GoalspaceError
├── InputError          the input is wrong: the message states what is wrong, where, and how to fix it
│   └── UnnamedEndpoint a folder names an endpoint that the user has not named, so nothing is sent
├── LLMError            an endpoint could not be reached, rejected the key, or sent unusable replies
│   └── CapReached      the next call could cost more than a limit allows
└── MissingDependency   an optional package is not installed
"""

from __future__ import annotations

import importlib
from types import ModuleType


class GoalspaceError(Exception):
    """Base class of all errors that goalspace raises deliberately; the message is one line."""


class InputError(GoalspaceError, ValueError):
    """The input is wrong; the message names the file, the row and the remedy."""


class UnnamedEndpoint(InputError):
    """Only a folder names the endpoint, which may be somebody else's; the message says how to name it."""


class LLMError(GoalspaceError, RuntimeError):
    """The LLM endpoint failed in a way that retrying does not fix."""


class CapReached(LLMError):
    """The next call could exceed the budget or the number of tokens; what was received so far is kept."""


class MissingDependency(GoalspaceError, ImportError):
    """An optional package that the call needs is not installed."""


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional module, or raise an error that names the extra that installs it.

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

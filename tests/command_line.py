"""The command line, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys


def goalspace(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command without a terminal, with these variables beside those of the tests."""
    return subprocess.run(
        [sys.executable, "-m", "goalspace.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        env={**os.environ, **environment},
    )

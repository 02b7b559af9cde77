"""Where the benchmarks read and write: shared data, results and caches."""

from __future__ import annotations

import os
from pathlib import Path

BENCH = Path(__file__).parents[1]
ROOT = BENCH.parent
RESULTS = BENCH / "results"
OWN_DATA = BENCH / "data"  # written for these benchmarks
CACHE = BENCH / ".cache"
DATA = Path(os.environ.get("GOALSPACE_DATA", ROOT.parent / "shared" / "data"))

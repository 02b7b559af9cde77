"""The choice of an engine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from command_line import goalspace
from goalspace import embed, use_engine
from goalspace.errors import InputError, MissingDependency


class Backwards:
    """An engine that begins at the end."""

    def __init__(self) -> None:
        self.n_computed = 0
        self.is_closed = False

    def map(self, function: Callable[[Any], Any], partitions: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        for i in reversed(range(len(partitions))):
            self.n_computed += 1
            yield i, function(partitions[i])

    def close(self) -> None:
        self.is_closed = True


def test_results_come_in_any_order(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(1200)]
    engine, shown = Backwards(), []
    with use_engine(engine):
        found = embed(texts, encoder="minilm", cache_dir=tmp_path, progress=lambda *step: shown.append(step))
        with use_engine("local"):
            assert embed(texts, encoder="minilm").tobytes() == found.tobytes()
    assert engine.n_computed == 3
    assert engine.is_closed
    assert [done for _, done, _ in shown] == [176, 688, 1200]
    assert embed(texts, encoder="minilm", cache_dir=tmp_path).tobytes() == found.tobytes()
    assert engine.n_computed == 3


def test_unknown_engines_are_refused() -> None:
    with (
        pytest.raises(InputError, match=r"must be local, ray or an engine\. Got 'spark' instead"),
        use_engine("spark"),
    ):
        pass


def test_ray_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependency, match=r"goalspace\[ray\]"), use_engine("ray"):
        pass


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install '.[ray]'")
def test_a_dry_run_needs_no_cluster(tmp_path: Path) -> None:
    source = tmp_path / "texts.txt"
    source.write_text("\n".join(f"text {i}" for i in range(20)))
    arguments = ("discover", source, "--goal", "what", "--engine", "ray", "--dry-run")
    done = goalspace(*arguments, RAY_ADDRESS="auto")
    assert done.stdout == "No endpoint would be called.\n", done.stderr

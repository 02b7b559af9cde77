"""requirements-dev.lock pins everything that pyproject.toml asks of a development environment."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PINS = [
    Requirement(line.partition("#")[0])
    for line in (ROOT / "requirements-dev.lock").read_text("utf-8").splitlines()
    if line.partition("#")[0].strip()
]


def required(lines: list[str]) -> Iterator[Requirement]:
    """What the lines ask for, with goalspace's own extras in place of goalspace[extra]."""
    for requirement in map(Requirement, lines):
        if requirement.name == PROJECT["name"]:
            for extra in sorted(requirement.extras):  # a set, in another order in each process
                yield from required(PROJECT["optional-dependencies"][extra])
        else:
            yield requirement


REQUIRED = [*required(PROJECT["dependencies"]), *required(PROJECT["optional-dependencies"]["dev"])]


@pytest.mark.parametrize("requirement", REQUIRED, ids=str)
def test_lock_satisfies(requirement):
    versions = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in PINS}
    version = versions.get(canonicalize_name(requirement.name))
    assert version is not None, f"{requirement.name} is not locked; run: make lock"
    assert requirement.specifier.contains(version), f"{version} is locked; run: make lock"


def test_lock_holds_versions_of_any_index():
    """No file or address, and no build that only some index has."""
    others = [pin for pin in PINS if pin.url or not re.fullmatch(r"==[^+*]+", str(pin.specifier))]
    assert others == []

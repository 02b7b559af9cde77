"""The commands: parse options, call one public function, print."""

from __future__ import annotations

import os

import click

from goalspace import __version__
from goalspace.cli.compress import compress
from goalspace.cli.console import Group
from goalspace.cli.correlate import correlate
from goalspace.cli.discover import discover
from goalspace.cli.embed import embed
from goalspace.cli.evaluate import evaluate
from goalspace.cli.explore import explore
from goalspace.cli.label import label
from goalspace.cli.retrieve import retrieve
from goalspace.cli.score import score
from goalspace.cli.select import select
from goalspace.cli.stages import export, factor, link, propose, report
from goalspace.cli.update import update


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="goalspace")
def main() -> None:
    """Turn a pile of texts and a goal in plain language into a few named factors, scored for every text."""
    # waiting threads of OpenMP otherwise hold the cores that other processes need
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


for command in (
    discover,
    propose,
    link,
    factor,
    report,
    export,
    explore,
    score,
    update,
    label,
    select,
    retrieve,
    compress,
    correlate,
    embed,
    evaluate,
):
    main.add_command(command)

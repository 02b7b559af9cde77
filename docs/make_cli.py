"""Write docs/cli.md: the help of every command, as the program prints it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from goalspace.cli import main

PAGE = Path(__file__).with_name("cli.md")
HEADER = """# Commands

This page is generated: change `src/goalspace/cli/`, then run `make docs`.
"""


def reference() -> str:
    """Return the page."""
    return "\n".join([HEADER, *_sections(main, "goalspace", None)])


def _sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(
        command, parent=parent, info_name=name, terminal_width=100, **command.context_settings
    )
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"## {context.command_path}\n\n```text\n{text}\n```\n"
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            yield from _sections(command.commands[inner], inner, context)


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")

"""`python -m goalspace.cli`: the command line without the installed script."""

from goalspace.cli import main

main(prog_name="goalspace")

"""Command-line arguments common to the subcommands."""

import argparse

from data.parallel import usable_cores
from options.arguments import process_count


def subcommand_parser(name: str, doc: str | None, **settings) -> argparse.ArgumentParser:
    """A parser of `python -m scripts.prepare NAME`, described by the docstring of its module."""
    formatter = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(
        prog=f"python -m scripts.prepare {name}",
        description=doc,
        formatter_class=formatter,
        allow_abbrev=False,
        **settings,
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Declare `--workers N`."""
    parser.add_argument(
        "--workers", type=process_count(1), metavar="N", default=usable_cores(), help="processes (%(default)s)"
    )

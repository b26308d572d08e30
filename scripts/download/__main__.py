"""Download files, unpack archives and collect photos, going on after an interruption.

python -m scripts.download fetch URL FILE ...
python -m scripts.download unpack ARCHIVE ...
python -m scripts.download photos LIST DIR ...
"""

from util.console import exit_statuses

import argparse

from scripts.download import fetch, photos, unpack

COMMANDS = {"fetch": fetch.main, "unpack": unpack.main, "photos": photos.main}


@exit_statuses("download", interrupted="interrupted; the same command goes on from here")
def main(argv: list[str] | None = None) -> None:
    """Do what the command line says. Bad input ends it with status 2 and one line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.download", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the command; its own --help lists them")
    args = parser.parse_args(argv)
    COMMANDS[args.command](args.arguments)


if __name__ == "__main__":
    main()

"""Paint label maps in a browser and see the image that a trained generator makes of them.

    python -m scripts.paint                                 the model that comes with the repository
    python -m scripts.paint --name RUN                      a run of train.py, of any data set
    python -m scripts.paint --export DIR                    static files, for any web host
    python -m scripts.paint --serve DIR                     serves such files on this machine

The first two print the address of the page and serve it until Ctrl-C.
"""

from __future__ import annotations

from util.console import exit_statuses

import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from scripts.paint.options import PROGRAM, parse_args
from util.errors import InputError
from util.optional import require


@exit_statuses(PROGRAM)
def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    args = parse_args(argv)
    if args.serve is not None:
        _part("serve").serve(args.serve, args.host, args.port)
    elif args.export is not None:
        part = _part("export")
        print("\n".join(part.export(args, load_painter(args))))
    else:
        for package in ("starlette", "uvicorn"):
            require(package)
        from scripts.paint.server import serve

        serve(args, lambda: load_painter(args))
    return 0


def load_painter(args):
    """See `model.load_painter`, which imports torch."""
    from scripts.paint import model

    return model.load_painter(args)


def _part(name: str) -> ModuleType:
    """A module of this package that may not be there. Raises `InputError`."""
    try:
        return importlib.import_module(f"scripts.paint.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"scripts.paint.{name}":
            raise
        raise InputError(f"--{name}: this version cannot; serve the page without it") from None


if __name__ == "__main__":
    sys.exit(main())

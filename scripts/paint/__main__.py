"""Paint label maps in a browser and see the image that a trained generator makes of them.

    python -m scripts.paint                                 the model that comes with the repository
    python -m scripts.paint --name RUN                      a run of train.py, of any data set
    python -m scripts.paint --export DIR                    static files, for any web host
    python -m scripts.paint --serve DIR                     serves such files on this machine

The first two print the address of the page and serve it until Ctrl-C.
"""

from __future__ import annotations

from util.console import exit_statuses

import sys
from collections.abc import Sequence

from scripts.paint.options import PROGRAM, parse_args
from util.optional import require


@exit_statuses(PROGRAM)
def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    args = parse_args(argv)
    if args.serve is not None:
        from scripts.paint import serve

        serve.serve(args.serve, args.host, args.port)
    elif args.export is not None:
        from scripts.paint import export

        print("\n".join(export.export(args, load_painter(args))))
    else:
        for package in ("starlette", "uvicorn"):
            require(package)
        from scripts.paint import server

        server.serve(args, lambda: load_painter(args))
    return 0


def load_painter(args):
    """See `model.load_painter`, which imports torch."""
    from scripts.paint import model

    return model.load_painter(args)


if __name__ == "__main__":
    sys.exit(main())

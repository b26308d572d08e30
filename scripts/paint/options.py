"""The options of `python -m scripts.paint`: which model to paint with, and where to serve the page.

Only the standard library is imported here: the page is served while torch is still being imported.
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from options.data import MOST_PROCESSES
from options.field import GPU_IDS, PLAIN_NAME, Preset, Rule, between
from options.method import MethodFacts
from options.model import ModelOptions
from options.parse import parse_embedded
from options.saved import SAVED_NAME, load_saved
from util.errors import InputError

PROGRAM = "python -m scripts.paint"
DEFAULT_RUN = Path(__file__).resolve().parents[2] / "models" / "pretrained" / "landscapes"
CHECKPOINTS_DIR = "./checkpoints"
WEIGHTS_NAME = re.compile(r"(.+)_net_G(_ema)?\.pth")
TOKEN = re.compile(r"[A-Za-z0-9_-]{8,128}")  # goes into an address and a cookie as it is
MOST_LABELS = 255
"""Ids are bytes on the page and in its files."""
EPILOG = """\
The default model paints landscapes. --export DIR writes the page as static files, which need no server: the browser
computes the images. --serve DIR serves such a folder on this machine with the headers that let it use all cores.
docs/paint.md says more.
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}; --help lists everything\n")


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse and check the command line; a wrong word ends the program with status 2.

    `--weights` and the default model become `name`, `checkpoints_dir`, `which_epoch` and `use_raw_G` of a run.

    Raises:
        InputError: options contradict each other, or there is no such run.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if args.serve is None:
        _find_segmenter(args)
        _find_run(args)
    else:
        _refuse_without_effect(args)
    if not 0 <= args.port <= 65535:
        raise InputError(f"--port {args.port}: must be 0..65535; 0 takes any free one")
    if args.token is not None and not TOKEN.fullmatch(args.token):
        raise InputError("--token: must be 8 to 128 letters, digits, - or _; leave it out to have one made")
    for name, rule in (("which_epoch", PLAIN_NAME), ("gpu_ids", GPU_IDS), ("threads", between(1, MOST_PROCESSES))):
        if getattr(args, name) is not None:
            _check(name, getattr(args, name), rule)
    return args


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Paint label maps in a browser and see the image that a trained generator makes of them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    model = parser.add_argument_group("model")
    model.add_argument("--name", metavar="RUN", help="a run of train.py, by name (the model of the repository)")
    model.add_argument("--checkpoints_dir", metavar="DIR", help=f"folder of the run's folder ({CHECKPOINTS_DIR})")
    model.add_argument("--which_epoch", metavar="E", help="which of its networks (latest)")
    model.add_argument("--weights", type=Path, metavar="FILE", help=f"or a file LABEL_net_G.pth beside {SAVED_NAME}")
    model.add_argument("--segmenter", metavar="NAME", help="a run of scripts.segmenter, or a file: labels photos")
    model.add_argument("--gpu_ids", default="auto", metavar="N", help="GPU to use; -1 for the CPU (%(default)s)")
    model.add_argument("--threads", type=int, metavar="N", help="CPU threads that compute (as many as cores)")
    server = parser.add_argument_group("server")
    server.add_argument("--port", type=int, default=8000, metavar="N", help="port of the page (%(default)s)")
    server.add_argument("--host", default="127.0.0.1", metavar="H", help="address to listen at (%(default)s)")
    server.add_argument("--token", metavar="T", help="secret in the address of the page; made for other --host")
    server.add_argument(
        "--allow_host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name of the page behind a proxy; repeatable",
    )
    files = parser.add_argument_group("static files").add_mutually_exclusive_group()
    files.add_argument("--export", type=Path, metavar="DIR", help="write the page as static files, and end")
    files.add_argument("--serve", type=Path, metavar="DIR", help="serve static files that --export wrote")
    return parser


def _refuse_without_effect(args: argparse.Namespace) -> None:
    """Raise an `InputError` for options that static files do not heed."""
    for name in ("name", "checkpoints_dir", "which_epoch", "weights", "segmenter", "threads", "token"):
        if getattr(args, name) is not None:
            raise InputError(f"--{name}: has no effect with --serve, which only sends files; leave it out")


def _find_segmenter(args: argparse.Namespace) -> None:
    """Make `--segmenter` a path. Raises `InputError` if it is not there."""
    if args.segmenter is None:
        return
    places = [Path(args.segmenter), Path(args.checkpoints_dir or CHECKPOINTS_DIR) / args.segmenter]
    found = [path for path in places if path.exists()]
    if not found:
        raise InputError(
            f"--segmenter {args.segmenter}: no such run of scripts.segmenter in {places[1].parent}, and no such file"
        )
    args.segmenter = found[0]


def _find_run(args: argparse.Namespace) -> None:
    """Set what names a run, whichever way it was given. Raises `InputError` if it is not there."""
    args.use_raw_G = False
    if args.weights is not None:
        _run_of_weights(args)
    elif args.name is None:
        if args.checkpoints_dir is not None:
            raise InputError(f"--checkpoints_dir {args.checkpoints_dir}: add --name RUN, the folder of the run in it")
        args.name, args.checkpoints_dir = DEFAULT_RUN.name, str(DEFAULT_RUN.parent)
    else:
        args.checkpoints_dir = args.checkpoints_dir or CHECKPOINTS_DIR
        _check("name", args.name, PLAIN_NAME)
    args.which_epoch = args.which_epoch or "latest"
    run = Path(args.checkpoints_dir) / args.name
    if not (run / SAVED_NAME).is_file():
        fix = "name another --weights" if args.weights else "give --name RUN and --checkpoints_dir DIR of a trained run"
        raise InputError(f"{run}: no {SAVED_NAME} inside, so it is no run of train.py; {fix}")


def _run_of_weights(args: argparse.Namespace) -> None:
    if args.name is not None or args.checkpoints_dir is not None:
        raise InputError(f"--weights {args.weights}: names a model, as --name does; give one of them")
    if args.which_epoch is not None:
        raise InputError(f"--which_epoch {args.which_epoch}: the name of --weights says which; leave one of them out")
    if not args.weights.is_file():
        what = "is a folder; name the file in it" if args.weights.is_dir() else "no such file"
        raise InputError(f"--weights {args.weights}: {what}")
    match = WEIGHTS_NAME.fullmatch(args.weights.name)
    if not match:
        raise InputError(
            f"--weights {args.weights}: must be named LABEL_net_G.pth or LABEL_net_G_ema.pth, as train.py names it, so "
            f"that the networks of one save are found together"
        )
    run = args.weights.parent.resolve()  # the file may be a link to another folder
    args.name, args.checkpoints_dir = run.name, str(run.parent)
    args.which_epoch, args.use_raw_G = match[1], match[2] is None


def check_run(args: argparse.Namespace) -> None:
    """Raise an `InputError` for what can be seen without torch to keep a run from being loaded."""
    run, label = Path(args.checkpoints_dir) / args.name, args.which_epoch
    names = [f"{label}_net_G.pth", f"{label}_net_G_ema.pth", f"models/{label}_G.pth", f"models/{label}_EMA.pth"]
    if not any((run / name).is_file() for name in names):
        labels = sorted({match[1] for path in run.glob("*_net_G*.pth") if (match := WEIGHTS_NAME.fullmatch(path.name))})
        fix = f"--which_epoch may be {', '.join(labels)}" if labels else "no save of train.py is there"
        raise InputError(f"{run / names[0]}: no such file; {fix}")
    try:
        saved = load_saved(run / SAVED_NAME)
    except ValueError as error:  # `OptionError`
        raise InputError(str(error)) from None
    check_labels(run, saved.get("label_nc"), saved.get("contain_dontcare_label"), saved.get("input_nc"))


def check_labels(run: Path, classes: object, unknown: object, channels: object) -> None:
    """Raise an `InputError` if a run takes no label maps, or has more labels than bytes hold.

    Args:
        classes, unknown, channels: its label_nc, contain_dontcare_label and input_nc. What is no number is left to
            `model_options`.
    """
    if isinstance(channels, int) and channels:
        raise InputError(f"{run}: takes conditioning images, and label maps are painted; generate with test.py")
    labels = int(classes) + bool(unknown) if isinstance(classes, int) else 0
    if labels > MOST_LABELS:
        raise InputError(f"{run}: has {labels} labels, and the page knows {MOST_LABELS} at most; generate with test.py")


def _check(name: str, value: object, rule: Rule) -> None:
    if not rule.holds(value):
        raise InputError(f"--{name} {value}: must be {rule.words}")


def model_options(
    args: argparse.Namespace, presets: Mapping[str, Preset], methods: Mapping[str, MethodFacts]
) -> ModelOptions:
    """The options of the run that `parse_args` found.

    Args:
        presets: of every data set.
        methods: facts of every method.
    Raises:
        InputError: the saved options cannot be used.
    """
    names = ("name", "checkpoints_dir", "which_epoch", "use_raw_G", "gpu_ids", "threads")
    given = {name: getattr(args, name) for name in names}
    saved = Path(args.checkpoints_dir) / args.name / SAVED_NAME
    try:
        return parse_embedded(ModelOptions, "", presets, methods, load_saved(saved), **given)[0]
    except ValueError as error:  # `OptionError`, and what a method refuses
        raise InputError(str(error)) from None

"""Pack a data set into tars: a few large files, on disk or on a web server, that train.py --shards DST reads.

    python -m scripts.prepare shards data.toml DST
    python -m scripts.prepare shards coco DST --dataroot DIR
    python -m scripts.prepare shards DST --dataset_mode custom --label_dir DIR --image_dir DIR [...]
    python -m scripts.prepare shards --verify DST

DST/train-000000.tar, ... hold label maps, photos and instance maps of the samples, in the order in which training lists
them; DST/train-index.json says where, with the SHA-256 of every tar; val and test are packed likewise. DST/data.toml
describes all of them: classes, unknown pixels, options. The tars are read by the library webdataset, too: KEY.label.png
(class ids), KEY.instances.png, and the photo under its own ending, byte for byte.

With --size S, samples whose short side is above S pixels are resized to it once: photos by antialiased bicubic
interpolation, saved as JPEG of quality 95 without subsampling of colors, maps by nearest neighbors.

A packing that was interrupted goes on from the last whole tar by the same command. No file of others is replaced.
"""

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tqdm import tqdm

from data import PRESETS, create_dataset
from data.paired import PairedDataset
from data.shards.describe import describe_shards
from data.shards.index import open_index
from data.shards.pack import Packing, pack
from models import METHODS
from options import TestOptions, TrainOptions, parse_options
from options.data_file import FILE_NAME, described, read_data_file
from options.data_file_text import data_file_text
from options.description import PARTS
from options.field import OptionError
from options.shards import is_address
from scripts.prepare.arguments import add_workers, subcommand_parser
from util.errors import InputError
from util.files import replacing
from util.optional import require

PROGRAM = "python -m scripts.prepare shards"
SAMPLES = 1000
EXAMPLE = f"{PROGRAM} data.toml DST"
NAME_DATA = ("__dataset_mode", "__data", "__shards", "__config")
PUBLISHED_PARTS = ("train", "val")


@dataclass(frozen=True, kw_only=True)
class _PackedOptions(TrainOptions):
    """The options that read what is packed. Its refusals name this program."""

    program: ClassVar[str] = PROGRAM

    def check_condition(self) -> None:
        """Refuse conditioning images, which shards do not hold."""
        if self.input_nc:
            raise OptionError(
                f"--input_nc {self.input_nc}: shards hold label maps, and these are conditioning images; train on the "
                "files, without packing them"
            )
        super().check_condition()


@dataclass(frozen=True, kw_only=True)
class _PackedTestOptions(TestOptions):
    """The same for the parts that are read as in a test."""

    program: ClassVar[str] = PROGRAM


def parse_args(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse this tool's own options; return them, and the options of train.py about the data."""
    parser = subcommand_parser(
        "shards", __doc__, epilog="All other options are those of train.py: python train.py --help all"
    )
    parser.add_argument("--verify", metavar="DST", help="read all tars of DST and compare their checksums")
    parser.add_argument("--size", type=int, metavar="S", help="short side in pixels (default: files as they are)")
    parser.add_argument(
        "--samples", type=int, metavar="N", default=SAMPLES, help="samples in one tar (default: %(default)s)"
    )
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        help="what to pack (default: all that there are; train and val of known sets)",
    )
    add_workers(parser)
    own, rest = parser.parse_known_args(argv)
    if own.verify is not None:
        return own, []
    words = list(itertools.takewhile(lambda word: not word.startswith("-"), rest))
    if not 1 <= len(words) <= 2:
        raise InputError(f"name what to pack and the folder to write, ahead of flags of train.py: {EXAMPLE}")
    own.folder, flags = Path(words[-1]), rest[len(words) :]
    if own.folder.is_file() or (len(words) == 1 and words[0] in PRESETS and not flags_name_data(flags)):
        what = "is a file" if own.folder.is_file() else "is a data set"
        raise InputError(f"{own.folder}: {what}; name the folder to write last: {EXAMPLE}")
    if own.samples < 1:
        raise InputError(f"--samples {own.samples}: must be 1 or more")
    if own.size is not None and own.size < 1:
        raise InputError(f"--size {own.size}: must be 1 or more")
    return own, [*(("--data", words[0]) if len(words) == 2 else ()), *flags]


def flags_name_data(flags: Sequence[str]) -> bool:
    """Whether flags of train.py say what to pack."""
    return any(flag.partition("=")[0].replace("-", "_") in NAME_DATA for flag in flags)


def main(argv: Sequence[str]) -> int:
    """Pack or verify; return the exit status. Raises `InputError` for bad input."""
    own, flags = parse_args(argv)
    if own.verify is not None:
        return verify(own.verify)
    require("webdataset")
    datasets = {part: open_part(part, flags) for part in own.parts or parts_of(flags)}
    packing = Packing(own.folder, own.samples, own.size, own.workers)
    patterns = {}
    for part, dataset in datasets.items():
        with tqdm(desc=part, total=len(dataset), unit="sample", dynamic_ncols=True) as bar:
            patterns[part] = pack(packing, part, dataset, bar.update)
        print(f"{own.folder / patterns[part]}: {len(dataset)} samples")
    path = own.folder / FILE_NAME
    first = next(iter(datasets))
    load_size = parse_options(_PackedTestOptions, [*flags, "--phase", first], PRESETS, METHODS).load_size
    opt = options_of(first, flags)
    text = data_file_text(describe_shards(path, datasets[first], opt, load_size, patterns))
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"{path}: is there already and describes something else; move it away, or name another DST")
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"{path}: describes them; python train.py --name NAME --shards {own.folder}")
    return 0


def options_of(part: str, flags: Sequence[str]) -> TrainOptions | TestOptions:
    """The options that read a part, with every file kept as it is."""
    program = _PackedOptions if part == "train" else _PackedTestOptions
    return parse_options(program, [*flags, "--phase", part], PRESETS, METHODS)


def parts_of(flags: Sequence[str]) -> list[str]:
    """The parts of a data set: those of its data file; of typed folders [train]; of known sets train and val."""
    opt = options_of("train", flags)
    if opt.dataset_mode != "custom":
        return list(PUBLISHED_PARTS)
    description = None if opt.label_dir else described(opt)
    return list(description.parts) if description else ["train"]


def open_part(part: str, flags: Sequence[str]) -> PairedDataset:
    """The data set of a part. Raises `InputError` if it has no files."""
    opt = options_of(part, flags)
    try:
        dataset = create_dataset(opt, maps=False)
    except InputError as error:
        raise InputError(f"{error} (when packing {part}; --parts packs others alone)") from error
    if not isinstance(dataset, PairedDataset):
        raise InputError(
            f"--dataset_mode {opt.dataset_mode}: has no files; python -m scripts.prepare landscapes DIR writes some"
        )
    return dataset


def verify(name: str) -> int:
    """Read all tars that the data file of a folder names; print what is wrong, and return the exit status."""
    folder = Path(name)
    if is_address(name):
        raise InputError(
            f"--verify {name}: verifies folders on disk; tars of a web server are compared with their checksums when "
            "they are downloaded"
        )
    if not (folder / FILE_NAME).is_file():
        raise InputError(f"--verify {name}: no {FILE_NAME} in it; name the folder that {PROGRAM} wrote")
    try:
        description = read_data_file(folder / FILE_NAME)
    except OptionError as error:
        raise InputError(f"--verify {folder}: {error}") from None
    wrong, number = 0, 0
    for part in description.parts.values():
        if part.shards is None:
            continue
        for _, problem in open_index(part.shards, None).verify():
            number += 1
            wrong += bool(problem)
            if problem:
                print(problem)
    print(f"{folder}: {number} shards, {wrong} of them wrong" if wrong else f"{folder}: {number} shards, all as packed")
    return 1 if wrong else 0

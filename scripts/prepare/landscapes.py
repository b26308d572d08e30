"""Write the landscapes as files, in the layout that `--dataset_mode custom` reads.

DIR/{train,val}_img hold RGB images, {train,val}_label class ids 0..17 with 255 for unknown, {train,val}_inst 16-bit
instance ids. The last line printed is the command for a small training on them.

    python -m scripts.prepare landscapes DIR --train 100 --val 10
"""

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from data.landscape import CLASS_NAMES, Landscape, draw_scene
from data.landscapes import DATA_SEED, FIRST_VALIDATION_SCENE
from scripts.prepare.arguments import subcommand_parser
from util.errors import InputError

SMALLEST_SIDE = 16
TRAIN, VALIDATION = 200, 20  # scenes, enough to try a training; the data set in memory has ten times as many
LARGEST_CROP, CROP_STEP = 128, 32  # pixels, of the proposed training
LARGEST_BATCH = 4
FIRST_SCENES = {"train": 0, "val": FIRST_VALIDATION_SCENE}
KINDS = ("img", "label", "inst")


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; wrong words end the program with status 2."""
    parser = subcommand_parser("landscapes", __doc__)
    parser.add_argument("folder", metavar="DIR", type=Path, help="where to write; made if missing")
    parser.add_argument("--train", type=int, default=TRAIN, metavar="N", help="training scenes (%(default)s)")
    parser.add_argument("--val", type=int, default=VALIDATION, metavar="N", help="others (%(default)s)")
    parser.add_argument("--size", default="256x256", metavar="WxH", help="in pixels (%(default)s)")
    parser.add_argument("--seed", type=int, default=DATA_SEED, help="another number, other scenes (%(default)s)")
    return parser.parse_args(argv)


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) of "WxH". Raises `InputError` for anything else, and for sides that are too small."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or min(map(int, match.groups())) < SMALLEST_SIDE:
        raise InputError(f"--size {text}: give WIDTHxHEIGHT in pixels, each {SMALLEST_SIDE} or more, as in 256x256")
    return int(match[1]), int(match[2])


def make_folders(root: Path, split: str) -> None:
    """Make the folders of one split. Raises `InputError` if one cannot be made or is not empty."""
    for kind in KINDS:
        folder = root / f"{split}_{kind}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {error.strerror}; name another DIR") from error
        if any(folder.iterdir()):
            raise InputError(f"{folder} is not empty; name a new DIR or empty this one")


def save(scene: Landscape, root: Path, split: str, number: int) -> None:
    """Write the three files of a scene."""
    for kind, pixels in zip(KINDS, (scene.image, scene.labels, scene.instances)):
        Image.fromarray(pixels).save(root / f"{split}_{kind}" / f"{number:05d}.png")


def main(argv: Sequence[str]) -> None:
    """Write both parts and print a training command. Raises `InputError` for bad input."""
    args = parse_args(argv)
    width, height = parse_size(args.size)
    counts = {"train": args.train, "val": args.val}
    if args.seed < 0:
        raise InputError(f"--seed {args.seed}: must be 0 or more")
    for split, least in (("train", 1), ("val", 0)):
        if not least <= counts[split] <= FIRST_VALIDATION_SCENE:
            raise InputError(f"--{split} {counts[split]}: must be {least} to {FIRST_VALIDATION_SCENE}")
    for split, count in counts.items():
        if count:
            make_folders(args.folder, split)
    for split, count in counts.items():
        for number in tqdm(range(count), desc=split, unit="scene", disable=not count):
            save(draw_scene(args.seed, FIRST_SCENES[split] + number, width, height), args.folder, split, number)
    print(training_command(args.folder, args.train, min(width, height)))


def training_command(root: Path, scenes: int, side: int) -> str:
    """The command for a small training on these files, which takes minutes on a laptop and downloads nothing."""
    folders = {kind: shlex.quote(str(root / f"train_{kind}")) for kind in KINDS}
    crop_size = max(CROP_STEP, min(LARGEST_CROP, side // CROP_STEP * CROP_STEP))
    return (
        f"python train.py --name mine --dataset_mode custom --label_dir {folders['label']} "
        f"--image_dir {folders['img']} --instance_dir {folders['inst']} "
        f"--label_nc {len(CLASS_NAMES)} --contain_dontcare_label "
        f"--crop_size {crop_size} --ngf 16 --ndf 16 --no_vgg_loss --batch_size {min(LARGEST_BATCH, scenes)} --niter 5 "
        f"--niter_decay 0"
    )

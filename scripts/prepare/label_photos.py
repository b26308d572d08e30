"""Label a folder of photos with a segmentation network: a label map of the same name for each.

`python -m scripts.prepare label_photos PHOTOS OUT`, followed by one of

    --network coco --weights FILE         the published networks that evaluate.py scores with: coco, ade20k (two files)
                                          or cityscapes. Ids are those of the data set's own label files: 0..181;
                                          1..150, as 0 is unknown there; and of Cityscapes the label ids (7 is road),
                                          not the train ids (0 is road).
    --network NAME [--weights FILE]       a network of torchvision, in the 21 ids of Pascal VOC (0 is background);
                                          without --weights its own are downloaded.
    --network torchscript --weights FILE  any network saved by TorchScript; ids are the numbers of its classes.
    --segmenter RUN                       a network of your own: a run of `python -m scripts.segmenter`, by name or
                                          folder, in the ids it was trained on; or a file of TorchScript or
                                          torch.export.

A second call skips maps made from the same photos with the same network, so an interrupted run resumes.
Several processes divide the photos among them: torchrun --nproc_per_node 2 -m scripts.prepare label_photos ...
Files that this tool did not make are never replaced.
"""

import argparse
import difflib
import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional
from tqdm import tqdm

from data.derived_maps import Files, Mark, check_output, pair_with_targets, save_ids, to_make
from data.files import find_image_files
from data.photos import warn_of_photos
from data.read import image_size, read_image
from data.workers import QuietLoader
from models.segmenters import SEGMENTERS, Segmenter, load_own_segmenter, load_segmenter
from models.segmenters.base import size_of
from models.segmenters.own import FACTS_FILE, WEIGHTS_FILE
from models.segmenters.pascal_voc import TorchvisionSegmenter
from options.arguments import process_count
from scripts.prepare.arguments import subcommand_parser
from util.device import choose_device
from util.digests import digest_of
from util.distributed import World
from util.errors import InputError
from util.launcher import warn_of_tasks_apart


def torchvision_network(name: str, files: Sequence[Path], device: torch.device) -> Segmenter:
    """Build a network of torchvision, with weights from one file or downloaded."""
    if len(files) > 1:
        raise InputError(f"--weights {files[1]}: --network {name} takes one file")
    return TorchvisionSegmenter(name, files[0] if files else None).to(device)


def published_network(name: str, files: Sequence[Path], device: torch.device) -> Segmenter:
    """Build one of the networks that evaluate.py scores with."""
    return load_segmenter(name, files).to(device)


def torchscript_network(files: Sequence[Path], device: torch.device) -> Segmenter:
    """Load a network saved by TorchScript."""
    if len(files) != 1:
        raise InputError("--network torchscript: add --weights FILE, the one file that torch.jit.save wrote")
    return load_own_segmenter(files[0], device)


# Name -> function that builds the network from the files of --weights, in evaluation mode on a device. To add a
# network, write such a function and give it a name here.
NETWORKS: dict[str, Callable[[Sequence[Path], torch.device], Segmenter]] = {
    **{name: functools.partial(published_network, name) for name in SEGMENTERS},
    **{
        name: functools.partial(torchvision_network, name)
        for name in torchvision.models.list_models(module=torchvision.models.segmentation)
    },
    "torchscript": torchscript_network,
}


class Photos(Dataset[Tensor]):
    """Photos as (3, H, W) float32 in [0, 1]."""

    def __init__(self, paths: list[Path]):
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        """Read one photo. Raises `InputError` for files that cannot be read."""
        return functional.to_dtype(functional.pil_to_tensor(read_image(self.paths[index])), torch.float32, scale=True)


def batches_of_one_size(sizes: list[tuple[int, int]], batch_size: int) -> list[list[int]]:
    """Indices of photos of equal size, at most `batch_size` at once."""
    by_size = sorted(range(len(sizes)), key=sizes.__getitem__)
    groups = (list(group) for _, group in itertools.groupby(by_size, sizes.__getitem__))
    return [group[start : start + batch_size] for group in groups for start in range(0, len(group), batch_size)]


def segment(segmenter: Segmenter, photos: Tensor) -> np.ndarray:
    """Label ids (N, H, W) of photos (N, 3, H, W) in [0, 1], as the data set's label files hold them."""
    classes = segmenter.predict(photos, size_of(photos))
    return np.array(segmenter.class_ids)[classes.cpu().numpy()]


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; wrong words end the program with status 2."""
    parser = subcommand_parser("label_photos", __doc__)
    parser.add_argument("photos", metavar="PHOTOS", type=Path, help="folder of photos; sub-folders are walked")
    parser.add_argument("output", metavar="OUT", type=Path, help="folder for the label maps; made if missing")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--network", metavar="NAME", help=f"one of: {', '.join(NETWORKS)}")
    which.add_argument(
        "--segmenter",
        metavar="RUN",
        help="your own: a run of python -m scripts.segmenter, or a TorchScript or torch.export file",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="weights of --network, which are not downloaded then; once for each file of a network that has two",
    )
    parser.add_argument(
        "--checkpoints_dir",
        type=Path,
        default=Path("checkpoints"),
        metavar="DIR",
        help="where --segmenter looks for a run by its name (%(default)s)",
    )
    parser.add_argument("--batch_size", type=int, default=4, metavar="N", help="photos at once (%(default)s)")
    parser.add_argument(
        "--num_workers", type=process_count(0), default=2, metavar="N", help="processes that read (%(default)s)"
    )
    parser.add_argument("--cpu", action="store_true", help="do not use a GPU")
    return parser.parse_args(argv)


def build_segmenter(name: str, files: Sequence[Path], device: torch.device) -> Segmenter:
    """Build a network by name. Raises `InputError` for unknown names and files that cannot be used."""
    if name not in NETWORKS:
        near = difflib.get_close_matches(name, NETWORKS, n=1) or [", ".join(NETWORKS)]
        raise InputError(f"--network {name}: no such network; use {near[0]}")
    for path in files:
        if not path.is_file():
            what = "is a folder; name the file in it" if path.is_dir() else "no such file"
            raise InputError(f"--weights {path}: {what}")
    return NETWORKS[name](files, device).eval()


def own_segmenter(args: argparse.Namespace, device: torch.device) -> Segmenter:
    """Load what --segmenter names: a file, a folder, or a run by its name."""
    if args.weights:
        raise InputError(f"--weights {args.weights[0]}: goes with --network; --segmenter {args.segmenter} has its own")
    return load_own_segmenter(own_path(args), device)


def own_path(args: argparse.Namespace) -> Path:
    """The file or the folder of a run that --segmenter names."""
    path = Path(args.segmenter)
    return path if path.exists() else args.checkpoints_dir / path


def mark_of(args: argparse.Namespace) -> Mark:
    """The mark of label maps by the chosen network: its name, if any, and a hash of its files."""
    files = args.weights
    if args.segmenter:
        path = own_path(args)
        files = [path / FACTS_FILE, path / WEIGHTS_FILE] if path.is_dir() else [path]
    contents = digest_of({str(number): path for number, path in enumerate(files)})
    return Mark("label_photos", f"{args.network} {contents}")


def plan(args: argparse.Namespace) -> tuple[int, list[Files], list[list[int]], Mark]:
    """What there is to do; writes nothing.

    Returns:
        number of photos; photos without an up-to-date label map, with the files to write; batches of indices into them;
        the mark of the label maps. Raises `InputError` for bad input.
    """
    files = pair_with_targets(find_image_files(args.photos, "photos"), args.output)
    mark = mark_of(args)
    missing, _ = to_make(files, mark, max(1, args.num_workers))
    warn_of_photos([path for path, _ in missing])
    sizes = [image_size(path) for path, _ in tqdm(missing, desc="sizes", unit="photo")]
    return len(files), missing, batches_of_one_size(sizes, args.batch_size), mark


def label(
    segmenter: Segmenter,
    missing: Sequence[Files],
    batches: Sequence[list[int]],
    mark: Mark,
    num_workers: int,
    world: World,
) -> None:
    """Write the label maps of photos. Each process takes every `world.size`-th batch.

    The processes wait for each other after each batch, so that all of them end soon after one has failed.

    Args:
        missing: photos, and the files to write.
        batches: indices into `missing`.
    """
    own = batches[world.rank :: world.size]
    photos = iter(QuietLoader(Photos([path for path, _ in missing]), batch_sampler=own, num_workers=num_workers))
    with tqdm(total=len(missing), desc=segmenter.name, unit="photo", disable=not world.is_main) as bar:
        for first in range(0, len(batches), world.size):
            together = batches[first : first + world.size]
            with world.failing_together():
                if world.rank < len(together):
                    for index, ids in zip(together[world.rank], segment(segmenter, next(photos))):
                        save_ids(ids, missing[index], np.uint8, mark)
            bar.update(sum(map(len, together)))


def main(argv: Sequence[str]) -> None:
    """Label all photos whose label maps are missing or out of date. Raises `InputError` for bad input."""
    args = parse_args(argv)
    world = World.from_environment()
    warn_of_tasks_apart()
    device = choose_device(() if args.cpu else None, world)
    with world.joined(device):
        with world.failing_together():
            if args.batch_size < 1:
                raise InputError(f"--batch_size {args.batch_size}: must be 1 or more")
            check_output(args.output, args.photos, "photos")
            network = args.network
            segmenter = build_segmenter(network, args.weights, device) if network else own_segmenter(args, device)
            found = plan(args) if world.is_main else None
        count, missing, batches, mark = world.broadcast(found)
        label(segmenter, missing, batches, mark, args.num_workers, world)
    if not world.is_main:
        return
    print(f"{args.output}: {len(missing)} label maps made, {count - len(missing)} were there")
    least, most = min(segmenter.class_ids), max(segmenter.class_ids)
    print(f"The network has {segmenter.num_classes} classes, ids {least} to {most}: train with --label_nc {most + 1}")

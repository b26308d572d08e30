"""Label a folder of photos with a segmentation network: a label map of the same name for each.

Run from the root of the repository: `python scripts/label_photos.py PHOTOS OUT --network NAME [--weights FILE]`.
NAME is one of `SEGMENTERS`. The networks of torchvision give the 21 ids of Pascal VOC (0 is background); without
--weights their own are downloaded. `--network torchscript --weights FILE` runs any network saved by TorchScript. To add
one, write a function that builds its `Segmenter` and give it a name in `SEGMENTERS`.

Label maps that are there already are kept, so an interrupted run goes on when it is called again.
"""

import argparse
import difflib
import functools
import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2 import functional
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data.files import find_pictures
from data.read import picture_size, read_image
from models.weights import read_weights
from scripts.prepared import is_done, save_ids
from util.device import choose_device
from util.errors import InputError, report_input_errors

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TORCHVISION_SHORT_SIDE = 520  # pixels, at which torchvision's segmentation networks were measured
VOC_CLASSES = 21


class Segmenter(nn.Module):
    """A network from photos (N, 3, H, W) in [0, 1] to logits (N, num_classes, H', W'), of any size.

    `to_ids` turns numbers of classes (N, H, W) into the ids that label files hold; override it where those differ.
    """

    num_classes: int  # known at the latest when the network has run

    def to_ids(self, classes: Tensor) -> Tensor:
        """The ids are the numbers of the classes."""
        return classes


class TorchvisionSegmenter(Segmenter):
    """A segmentation network of torchvision, preprocessing included."""

    def __init__(self, name: str, weights: Path | None):
        super().__init__()
        self.num_classes = VOC_CLASSES
        if weights is None:
            self.network = _download(name)
            return
        state = read_weights(weights)
        if not isinstance(state, dict):
            raise InputError(f"--weights {weights}: holds something else than a state dict")
        self.network = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=VOC_CLASSES)
        # Most published files hold a second head as well, which only its own training used.
        state = {key: value for key, value in state.items() if not str(key).startswith("aux_classifier.")}
        try:
            self.network.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f"--weights {weights}: is not a file of --network {name} ({_one_line(error)})") from error

    def forward(self, photos: Tensor) -> Tensor:
        """Photos at the size and in the range the network was trained for."""
        resized = functional.resize(photos, [TORCHVISION_SHORT_SIDE], antialias=True)
        return self.network(functional.normalize(resized, IMAGENET_MEAN, IMAGENET_STD))["out"]


class TorchScriptSegmenter(Segmenter):
    """A network from a TorchScript file, preprocessing included: photos in [0, 1] to logits."""

    def __init__(self, weights: Path | None):
        super().__init__()
        if weights is None:
            raise InputError("--network torchscript: add --weights FILE, the file that torch.jit.save wrote")
        try:
            self.network = torch.jit.load(weights, map_location="cpu")
        except (RuntimeError, ValueError) as error:
            raise InputError(f"--weights {weights}: is not a TorchScript file ({_one_line(error)})") from error

    def forward(self, photos: Tensor) -> Tensor:
        """The file's own output, which must be logits."""
        logits = self.network(photos)
        if not isinstance(logits, Tensor) or logits.ndim != 4 or len(logits) != len(photos):
            raise InputError("--network torchscript: must map photos (N, 3, H, W) in [0, 1] to logits (N, C, H, W)")
        self.num_classes = logits.shape[1]
        return logits


def _download(name: str) -> nn.Module:
    try:
        return torchvision.models.get_model(name, weights="DEFAULT")
    except OSError as error:
        raise InputError(
            f"--network {name}: its weights cannot be downloaded ({error}); give their file with --weights FILE"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


# Name -> function that builds the network from the file of --weights (None where that is not given).
SEGMENTERS: dict[str, Callable[[Path | None], Segmenter]] = {
    name: functools.partial(TorchvisionSegmenter, name)
    for name in torchvision.models.list_models(module=torchvision.models.segmentation)
} | {"torchscript": TorchScriptSegmenter}


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


@torch.inference_mode()
def segment(segmenter: Segmenter, photos: Tensor) -> np.ndarray:
    """Label ids (N, H, W) of photos (N, 3, H, W) in [0, 1]; logits are resized, then the largest is chosen."""
    logits = functional.resize(segmenter(photos), list(photos.shape[-2:]), antialias=False)
    return segmenter.to_ids(logits.argmax(dim=1)).cpu().numpy()


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("photos", metavar="PHOTOS", type=Path, help="folder of photos; sub-folders are walked")
    parser.add_argument("output", metavar="OUT", type=Path, help="folder for the label maps; made if missing")
    parser.add_argument("--network", required=True, metavar="NAME", help=f"one of: {', '.join(SEGMENTERS)}")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="its weights; nothing is downloaded then")
    parser.add_argument("--batch_size", type=int, default=4, metavar="N", help="photos at once (%(default)s)")
    parser.add_argument("--num_workers", type=int, default=2, metavar="N", help="processes that read (%(default)s)")
    parser.add_argument("--cpu", action="store_true", help="do not use a GPU")
    return parser.parse_args(argv)


def build_segmenter(name: str, weights: Path | None) -> Segmenter:
    """Build a network by name. Raises `InputError` for unknown names and files that cannot be used."""
    if name not in SEGMENTERS:
        near = difflib.get_close_matches(name, SEGMENTERS, n=1) or [", ".join(SEGMENTERS)]
        raise InputError(f"--network {name}: no such network; use {near[0]}")
    if weights and not weights.is_file():
        raise InputError(f"--weights {weights}: no such file")
    return SEGMENTERS[name](weights)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    for option, least in (("batch_size", 1), ("num_workers", 0)):
        if getattr(args, option) < least:
            raise InputError(f"--{option} {getattr(args, option)}: must be {least} or more")
    photos = find_pictures(args.photos, "photos")
    if args.output.resolve() == args.photos.resolve():
        raise InputError(f"{args.output}: holds the photos; name another folder")
    device = choose_device(() if args.cpu else None)
    segmenter = build_segmenter(args.network, args.weights).to(device).eval()
    targets = {path: args.output / f"{name}.png" for name, path in photos.items()}
    sizes = {path: picture_size(path) for path in tqdm(targets, desc="sizes", unit="photo")}
    missing = [path for path in targets if not is_done(targets[path], sizes[path])]
    batches = batches_of_one_size([sizes[path] for path in missing], args.batch_size)
    loader = DataLoader(Photos(missing), batch_sampler=batches, num_workers=args.num_workers)
    with tqdm(total=len(missing), desc=args.network, unit="photo") as bar:
        for indices, photos in zip(batches, loader):
            for index, ids in zip(indices, segment(segmenter, photos.to(device))):
                save_ids(ids, targets[missing[index]], np.uint8)
            bar.update(len(indices))
    print(f"{args.output}: {len(missing)} label maps made, {len(targets) - len(missing)} were there")
    if missing:
        print(f"The network has {segmenter.num_classes} classes: train with --label_nc {segmenter.num_classes}")


if __name__ == "__main__":
    with report_input_errors("label_photos.py"):
        main()

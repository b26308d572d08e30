"""Make the instance maps of COCO from its annotations: every object, crowds too, none of them wrapped at 255.

Reads instances_train2017.json or instances_val2017.json and writes one 16-bit PNG an image, named like its label map:
0 is background, ids 1, 2, ... are the objects from large to small, so that a small one lies on top of a large one.
Images without objects get a map of zeros. Run again, the script skips what it made from the same annotations, so an
interrupted run goes on. Files that it did not make are never replaced. Needs pycocotools (`pip install pycocotools`),
which the rest of the project does not.

Run from the root of the repository: `python -m scripts.prepare instances --annotations
annotations/instances_train2017.json --label_dir datasets/coco/train_label --output datasets/coco/train_inst`.
"""

import argparse
import functools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.derived_maps import (
    Files,
    Mark,
    add_workers,
    check_output,
    pair_with_targets,
    run_parallel,
    save_ids,
    to_make,
)
from data.files import find_pictures
from data.pairs import listing
from util.digests import digest_of
from util.errors import InputError

Annotation = dict[str, Any]  # an entry of "annotations", as COCO's site describes it
LEAST_POLYGON = 6  # numbers, x and y of three corners; of four numbers, pycocotools would make a box


class Job(NamedTuple):
    """One instance map to make."""

    files: Files
    width: int
    height: int
    annotations: list[Annotation]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """What the command line says; wrong words end the program with status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.prepare instances", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--annotations", type=Path, required=True, metavar="JSON", help="instances_train2017.json")
    parser.add_argument("--label_dir", type=Path, required=True, metavar="DIR", help="label maps to make them for")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="where to write; made if missing")
    add_workers(parser)
    return parser.parse_args(argv)


def read_annotations(path: Path) -> dict[str, tuple[int, int, list[Annotation]]]:
    """Width, height and annotations of every image of an annotation file, by its name without extension.

    Raises:
        InputError: for a file that is not one of COCO's instance annotations.
    """
    try:
        content = json.loads(path.read_bytes())
        of_image = defaultdict(list)
        for annotation in content["annotations"]:
            of_image[annotation["image_id"]].append({key: annotation[key] for key in ("id", "segmentation")})
        return {
            Path(image["file_name"]).stem: (image["width"], image["height"], of_image[image["id"]])
            for image in content["images"]
        }
    except OSError as error:
        reason = "is a folder" if path.is_dir() else f"cannot be read ({error.strerror})"
        raise InputError(
            f"--annotations {path}: {reason}; give the file instances_train2017.json or its like"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"--annotations {path}: is not a file of COCO's instance annotations ({type(error).__name__}: {error}); "
            f"give instances_train2017.json or instances_val2017.json, whole and unpacked"
        ) from error


def plan(images: dict[str, tuple[int, int, list[Annotation]]], label_dir: Path, output: Path) -> list[Job]:
    """One job for each label map. Raises `InputError` for label maps that the annotations do not know."""
    labels = find_pictures(label_dir, "label maps", holds_ids=True)
    unknown = [name for name in labels if Path(name).name not in images]
    if unknown:
        raise InputError(
            f"{label_dir}: {len(unknown)} of {len(labels)} label maps are not in the annotations ({listing(unknown)}); "
            f"give the annotations of the same part, train or val"
        )
    return [Job((path, target), *images[target.stem]) for path, target in pair_with_targets(labels, output)]


def decode(annotation: Annotation, width: int, height: int) -> np.ndarray:
    """The mask of one object, (H, W) bool, from polygons or from run lengths, packed or not."""
    from pycocotools import mask

    shape = annotation["segmentation"]
    try:
        if isinstance(shape, list):
            polygons = [polygon for polygon in shape if len(polygon) >= LEAST_POLYGON]
            runs = mask.merge(mask.frPyObjects(polygons, height, width)) if polygons else None
        else:
            runs = mask.frPyObjects(shape, height, width) if isinstance(shape["counts"], list) else shape
        pixels = np.zeros((height, width)) if runs is None else mask.decode(runs)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"annotation {annotation['id']}: cannot be decoded ({error}); get the file again") from error
    if pixels.shape != (height, width):
        raise InputError(f"annotation {annotation['id']}: mask of {pixels.shape[::-1]}, image of {(width, height)}")
    return pixels.astype(bool)


def draw(annotations: list[Annotation], width: int, height: int) -> np.ndarray:
    """All objects of an image in one map (H, W) int32: ids 1, 2, ... by falling area, later ones on top; else 0."""
    masks = [decode(annotation, width, height) for annotation in sorted(annotations, key=lambda one: one["id"])]
    ids = np.zeros((height, width), dtype=np.int32)
    for number, pixels in enumerate(sorted(masks, key=np.count_nonzero, reverse=True), start=1):
        ids[pixels] = number
    return ids


def prepare(job: Job, mark: Mark) -> None:
    """Write one instance map."""
    save_ids(draw(job.annotations, job.width, job.height), job.files, np.uint16, mark)


def main(argv: list[str] | None = None) -> None:
    """Do what the command line says. Bad input ends it with status 2 and one line."""
    args = parse_args(argv)
    check_output(args.output, args.label_dir, "label maps")
    try:
        import pycocotools.mask  # noqa: F401 (every process that draws needs it)
    except ImportError as error:
        raise InputError(f"pycocotools cannot be imported ({error}); run: pip install pycocotools") from error
    jobs = plan(read_annotations(args.annotations), args.label_dir, args.output)
    mark = Mark("prepare_coco_instances", digest_of({"annotations": args.annotations}))
    missing = set(to_make([job.files for job in jobs], mark, args.workers)[0])
    todo = [job for job in jobs if job.files in missing]
    run_parallel(functools.partial(prepare, mark=mark), todo, args.workers, "instances", "map")
    print(f"{args.output}: {len(todo)} instance maps made, {len(jobs) - len(todo)} were there")

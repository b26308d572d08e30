"""Make the instance maps of COCO from its annotations: all objects, crowds included, with 16-bit ids.

Reads instances_train2017.json or instances_val2017.json and writes one 16-bit PNG an image, named like its label map:
0 is background, ids 1, 2, ... are the objects from large to small, so that a small one lies on top of a large one.
Images without objects get a map of zeros. A second call skips maps made from the same annotations, so an interrupted
run resumes. Files that this tool did not make are never replaced. Needs pycocotools
(`pip install pycocotools`), which the rest of the project does not.

    python -m scripts.prepare instances --annotations annotations/instances_train2017.json \\
        --label_dir datasets/coco/train_label --output datasets/coco/train_inst
"""

import argparse
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.coco_annotations import AnnotatedImage, draw_instances, read_annotations
from data.derived_maps import Files, Mark, check_output, pair_with_targets, run_parallel, save_ids, to_make
from data.files import find_image_files
from data.pairs import listing
from scripts.prepare.arguments import add_workers, subcommand_parser
from util.digests import digest_of
from util.errors import InputError


class Job(NamedTuple):
    """One instance map to make."""

    files: Files
    image: AnnotatedImage


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; wrong words end the program with status 2."""
    parser = subcommand_parser("instances", __doc__)
    parser.add_argument("--annotations", type=Path, required=True, metavar="JSON", help="instances_train2017.json")
    parser.add_argument("--label_dir", type=Path, required=True, metavar="DIR", help="label maps to make them for")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="where to write; made if missing")
    add_workers(parser)
    return parser.parse_args(argv)


def plan(images: Mapping[str, AnnotatedImage], label_dir: Path, output: Path) -> list[Job]:
    """One job for each label map. Raises `InputError` for label maps that the annotations lack."""
    labels = find_image_files(label_dir, "label maps", holds_ids=True)
    unknown = [name for name in labels if Path(name).name not in images]
    if unknown:
        raise InputError(
            f"{label_dir}: {len(unknown)} of {len(labels)} label maps are not in the annotations ({listing(unknown)}); "
            f"give the annotations of the same part, train or val"
        )
    return [Job((path, target), images[target.stem]) for path, target in pair_with_targets(labels, output)]


def write_instances(job: Job, mark: Mark) -> None:
    """Write one instance map."""
    save_ids(draw_instances(job.image), job.files, np.uint16, mark)


def main(argv: Sequence[str]) -> None:
    """Make all instance maps that are missing or out of date. Raises `InputError` for bad input."""
    args = parse_args(argv)
    check_output(args.output, args.label_dir, "label maps")
    try:
        import pycocotools.mask  # noqa: F401 (imported again in every process that draws)
    except ImportError as error:
        raise InputError(f"pycocotools cannot be imported ({error}); run: pip install pycocotools") from error
    jobs = plan(read_annotations(args.annotations), args.label_dir, args.output)
    mark = Mark("prepare_coco_instances", digest_of({"annotations": args.annotations}))
    missing = set(to_make([job.files for job in jobs], mark, args.workers)[0])
    todo = [job for job in jobs if job.files in missing]
    run_parallel(functools.partial(write_instances, mark=mark), todo, args.workers, "instances", "map")
    print(f"{args.output}: {len(todo)} instance maps made, {len(jobs) - len(todo)} were there")

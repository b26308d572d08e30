"""Whether a segmentation network of the user has the classes of the data set that is scored."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from data.read import LabelIds
from models.segmenters import SEGMENTERS, Segmenter
from models.segmenters.own import OwnSegmenter
from options import EvaluateOptions
from util.errors import InputError


def check_classes(opt: EvaluateOptions, segmenter: Segmenter, class_names: Sequence[str], ids: LabelIds) -> None:
    """Raise an `InputError` that names the first class in which a segmenter of the user differs from the data set.

    Names are compared where both are known: those of numbered classes ("class 3") fit any.

    Args:
        class_names: of the ids of label files.
        ids: of label files.
    """
    if found := _difference(segmenter, class_names, ids):
        raise InputError(
            f"--segmenter {opt.segmenter}: {found}; its scores would say nothing. Train one for this data set: "
            f"{training_command(opt)}"
        )


def _difference(segmenter: Segmenter, class_names: Sequence[str], ids: LabelIds) -> str | None:
    unknown = {ids.unknown_value} if ids.contain_dontcare_label else set()
    ours = set(range(ids.count)) - unknown
    known = {*segmenter.class_ids}
    # Classes that are not scored are chosen where a published network of the data set does so.
    missing = ours - known - ({*segmenter.unlabelled_ids} if segmenter.name in SEGMENTERS else set())
    extra = known - ours - set(range(ids.label_nc, len(class_names)))  # it may know the unknown class
    names = segmenter.facts.get("class_names", []) if isinstance(segmenter, OwnSegmenter) else []
    theirs = dict(zip(segmenter.class_ids, names))
    for number in sorted(known & ours):
        pair = theirs.get(number), class_names[number]
        if pair[0] != pair[1] and not {None, f"class {number}"} & {*pair}:
            return f"its class {number} is {pair[0]}, and that of the data set {pair[1]}"
    if missing:
        number = min(missing)
        return f"has no class {number}, which is {class_names[number]} in the data set"
    if extra:
        number = min(extra)
        return f"has a class {number}, {theirs.get(number, 'without name')}, and the data set has {len(ours)} classes"
    return None


def training_command(opt: EvaluateOptions) -> str:
    """The command that trains a segmenter for the data set."""
    words = ["python", "-m", "scripts.segmenter", "--name", "NAME"]
    if opt.data:
        words += ["--data", opt.data]
    else:
        words += ["--dataset_mode", opt.dataset_mode]
        if opt.dataset_mode == "custom":
            words += ["--label_dir", "LABELS", "--image_dir", "PHOTOS", "--label_nc", str(opt.label_nc)]
    return shlex.join(words)

"""What measures: the networks behind the scores, as the options of `evaluate.py` ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from evaluation.distances import FeatureSet
from evaluation.diversity import LPIPSDistance, lpips_distance
from evaluation.features import FeatureExtractor, inception_features, random_features
from evaluation.protocol import check_statistics
from models.segmenters import SEGMENTERS, Segmenter, load_own_segmenter, load_segmenter
from util.errors import InputError
from util.files import checksum

JUDGED_BY = {"ade20k_outdoor": "ade20k", "flickr": "coco"}
"""--dataset_mode -> the data set whose ids it has, and whose network judges it."""


@dataclass(frozen=True)
class Instruments:
    """Everything that measures; None for what was not asked for.

    Attributes:
        real: statistics of real features from a file, in place of photos.
    """

    features: FeatureExtractor | None
    real: FeatureSet | None
    segmenter: Segmenter | None
    distance: LPIPSDistance | None


def create_instruments(opt: Any, device: torch.device) -> Instruments:
    """All that the options ask for. Raises `InputError` for files that are missing or do not fit."""
    real = FeatureSet.load_npz(opt.real_statistics) if opt.real_statistics else None
    features = create_features(opt, device)
    if real is not None:
        check_statistics(features, real, opt.real_statistics)
    segmenter = create_segmenter(opt, device)
    distance = lpips_distance(opt.lpips_weights, opt.download, device) if opt.lpips else None
    return Instruments(features, real, segmenter, distance)


def create_features(opt: Any, device: torch.device) -> FeatureExtractor | None:
    """What FID and KID compare; None with --features none. Raises `InputError` without weights."""
    if opt.features == "inception":
        return inception_features(opt.inception_weights, opt.fid_resize, opt.download, device)
    return random_features(device) if opt.features == "random" else None


def create_segmenter(opt: Any, device: torch.device) -> Segmenter | None:
    """The judge of segmentation scores, or None if none was given.

    Raises:
        InputError: its files are missing or of another network, or it judges another data set.
    """
    if opt.segmenter:
        return load_own_segmenter(_own_path(opt), device)
    if not opt.segmenter_files:
        return None
    mode = JUDGED_BY.get(opt.dataset_mode, opt.dataset_mode)
    if mode not in SEGMENTERS:
        raise InputError(
            f"--segmenter_weights: no published network judges --dataset_mode {opt.dataset_mode}, only "
            f"{', '.join(SEGMENTERS)}; train your own with python -m scripts.segmenter and give it with --segmenter"
        )
    settings = {"resolution": opt.resolution} if mode == "cityscapes" else {}
    return load_segmenter(mode, [Path(file) for file in opt.segmenter_files], **settings).to(device)


def judges_whole_labels(opt: Any) -> bool:
    """Whether the judge compares with label maps of the size of their files."""
    return bool(opt.segmenter_files) and opt.dataset_mode == "cityscapes" and opt.resolution != "512"


def segmenter_files(opt: Any, segmenter: Segmenter) -> list[dict[str, str]]:
    """Name and SHA-256 of the files of the judge."""
    paths = [Path(file) for file in opt.segmenter_files]
    if opt.segmenter:
        own = _own_path(opt)
        paths = [own / name for name in segmenter.files.values()] if own.is_dir() else [own]
    return [{"name": path.name, "sha256": checksum(path)} for path in paths]


def names_of_classes(segmenter: Segmenter, names: Sequence[str]) -> list[str]:
    """A name for each class of the judge, no two alike.

    Args:
        names: of the ids of the data set's label files.
    """
    found = [names[i] if 0 <= i < len(names) else f"class {i}" for i in segmenter.class_ids]
    return [name if found.count(name) == 1 else f"{name} ({i})" for i, name in zip(segmenter.class_ids, found)]


def what_is_left_out(opt: Any, features: FeatureExtractor | None, with_kid: bool) -> dict[str, str]:
    """{scores that will be missing: why, and how to get them}."""
    missing = {}
    if features is None or features.score_name != "fid":
        missing["FID, KID"] = f"--features {opt.features}; --features inception computes them"
    elif opt.kid and not with_kid:
        missing["KID"] = "needs the features of every image, and statistics of the real ones were given; use the photos"
    if not opt.segmenter and not opt.segmenter_weights:
        missing["segmentation scores"] = _how_to_get_a_segmenter(opt.dataset_mode)
    return missing


def _how_to_get_a_segmenter(dataset_mode: str) -> str:
    own = "--segmenter RUN, a network of your own from python -m scripts.segmenter"
    mode = JUDGED_BY.get(dataset_mode, dataset_mode)
    if mode not in SEGMENTERS:
        return f"no segmentation network was given: {own}"
    files, source = ",".join(SEGMENTERS[mode].files.values()), SEGMENTERS[mode].source
    return f"no segmentation network was given: --segmenter_weights {files}, published at {source}, or {own}"


def _own_path(opt: Any) -> Path:
    """What --segmenter means: a file, a folder, or the name of a run."""
    given = Path(opt.segmenter)
    path = given if given.exists() else Path(opt.checkpoints_dir) / opt.segmenter
    if not path.exists():
        raise InputError(
            f"--segmenter {opt.segmenter}: neither a file, nor a run in {opt.checkpoints_dir}; "
            f"python -m scripts.segmenter makes one"
        )
    return path

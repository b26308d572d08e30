"""The networks that scores need, as the options of `evaluate.py` ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from evaluation.distances import MOST_KEPT, FeatureSet
from evaluation.diversity import LPIPSDistance, lpips_distance
from evaluation.feature_scores import FeatureScores
from evaluation.features import FeatureExtractor, inception_features, random_features
from evaluation.image_sets import Truth
from evaluation.own_features import own_features
from evaluation.protocol import check_statistics
from evaluation.scoring import Evaluation
from evaluation.segmenter_classes import check_classes
from models.segmenters import SEGMENTERS, Segmenter, load_own_segmenter, load_segmenter
from models.segmenters.own import OwnSegmenter
from options import EvaluateOptions
from util.distributed import World
from util.errors import InputError
from util.files import checksum

SEGMENTED_AS = {"ade20k_outdoor": "ade20k", "flickr": "coco"}
"""Data sets by --dataset_mode whose label ids, and so whose segmentation network, the data set uses."""


@dataclass(frozen=True)
class Instruments:
    """The networks and statistics that scores need; None for those that were not asked for.

    Attributes:
        real: statistics of real features from a file, instead of photos.
        segmenter_files: {"name", "sha256"} of each file of the segmenter.
    """

    features: FeatureExtractor | None
    real: FeatureSet | None
    segmenter: Segmenter | None
    distance: LPIPSDistance | None
    segmenter_files: list[dict[str, str]] = field(default_factory=list)

    def evaluation(
        self,
        opt: EvaluateOptions,
        truth: Truth,
        world: World,
        batch_size: int = 8,
        num_workers: int = 0,
        show: bool = False,
        reconstructions: bool = False,
    ) -> Evaluation:
        """Create the evaluation against `truth`, and read `truth`. All processes of `world` must call this.

        Args:
            batch_size, num_workers: for reading; they change scores only by rounding.
            show: whether to show a progress bar.
            reconstructions: whether each image has the style of its own photo.
        Raises:
            InputError: a segmenter of the user has other classes than the data set.
        """
        if opt.segmenter and self.segmenter:
            check_classes(opt, self.segmenter, truth.class_names, truth.ids)
        return Evaluation(
            truth,
            features=self.features,
            segmenter=self.segmenter,
            segmenter_files=self.segmenter_files,
            real=self.real,
            world=world,
            kid=opt.kid,
            precision_recall=opt.precision_recall,
            bootstrap=opt.bootstrap,
            batch_size=batch_size,
            num_workers=num_workers,
            seed=opt.seed,
            show=show,
            reconstructions=reconstructions,
        )


def create_instruments(opt: EvaluateOptions, device: torch.device) -> Instruments:
    """Everything that the options ask for. Raises `InputError` for files that are missing or do not fit."""
    real = FeatureSet.load_npz(opt.real_statistics) if opt.real_statistics else None
    features = create_features(opt, device)
    if features and real and opt.real_statistics:
        check_statistics(features, real, opt.real_statistics)
    segmenter = create_segmenter(opt, device)
    distance = lpips_distance(opt.lpips_weights, opt.download, device) if opt.lpips else None
    return Instruments(features, real, segmenter, distance, segmenter_files(opt, segmenter))


def create_features(opt: EvaluateOptions, device: torch.device) -> FeatureExtractor | None:
    """The features that FID and KID compare; None with --features none. Raises `InputError` without weights,
    or for a file that is no such network."""
    if opt.features == "inception":
        return inception_features(opt.inception_weights, opt.fid_resize, opt.download, device)
    if opt.features == "random":
        return random_features(device)
    if opt.features == "none":
        return None
    mean, std = (tuple(map(float, text.split(","))) for text in (opt.features_mean, opt.features_std))
    return own_features(Path(opt.features), opt.features_size, mean, std, device)


def create_segmenter(opt: EvaluateOptions, device: torch.device) -> Segmenter | None:
    """The network for segmentation scores; None if none was given.

    Raises:
        InputError: its files are missing or for another network, or there is none for the data set.
    """
    if opt.segmenter:
        return load_own_segmenter(_own_path(opt.segmenter, opt.checkpoints_dir), device)
    if not opt.segmenter_files:
        return None
    mode = SEGMENTED_AS.get(opt.dataset_mode, opt.dataset_mode)
    if mode not in SEGMENTERS:
        raise InputError(
            f"--segmenter_weights: no published network segments --dataset_mode {opt.dataset_mode}, only "
            f"{', '.join(SEGMENTERS)}; train your own with python -m scripts.segmenter and give it with --segmenter"
        )
    settings = {"resolution": opt.resolution} if mode == "cityscapes" else {}
    return load_segmenter(mode, [Path(file) for file in opt.segmenter_files], **settings).to(device)


def scores_whole_labels(opt: EvaluateOptions) -> bool:
    """Whether the segmenter's output is compared with label maps at the size of their files."""
    return bool(opt.segmenter_files) and opt.dataset_mode == "cityscapes" and opt.resolution != "512"


def segmenter_files(opt: EvaluateOptions, segmenter: Segmenter | None) -> list[dict[str, str]]:
    """Name and SHA-256 of the files of the segmenter."""
    paths = [Path(file) for file in opt.segmenter_files]
    if opt.segmenter and segmenter:
        own = _own_path(opt.segmenter, opt.checkpoints_dir)
        paths = [own / name for name in segmenter.files.values()] if own.is_dir() else [own]
    return [{"name": path.name, "sha256": checksum(path)} for path in paths]


def segmenter_in_words(opt: EvaluateOptions, segmenter: Segmenter | None) -> str | None:
    """Which network a segmenter of the user is; None for a published one, which its protocol names."""
    if not opt.segmenter or segmenter is None:
        return None
    if not isinstance(segmenter, OwnSegmenter):
        return "a network of the user"
    run = _own_path(opt.segmenter, opt.checkpoints_dir).resolve().name
    return f"segmentation network {run}, trained on {segmenter.facts.get('data_set', segmenter.name)}"


def names_of_classes(segmenter: Segmenter, names: Sequence[str]) -> list[str]:
    """A unique name for each class of the segmenter.

    Args:
        names: of the ids of the data set's label files.
    """
    found = [names[i] if 0 <= i < len(names) else f"class {i}" for i in segmenter.class_ids]
    return [name if found.count(name) == 1 else f"{name} ({i})" for i, name in zip(segmenter.class_ids, found)]


def missing_scores(opt: EvaluateOptions, features: FeatureScores | None) -> dict[str, str]:
    """Scores that will be missing, by name, and why, with a way to get them."""
    missing = {}
    is_fid = features is not None and features.extractor.score_name == "fid"
    if not is_fid:
        missing["FID, KID"] = f"--features {opt.features}; --features inception computes them"
    if features is not None and (is_fid if opt.kid is None else opt.kid) and not features.kernel_score:
        missing["KID" if is_fid else "kernel distance"] = (
            "needs the features of every image, and statistics of the real ones were given; use the photos"
        )
    if features is not None and opt.precision_recall and not features.precision_and_recall:
        missing["precision, recall"] = f"need the features of every image, kept for {MOST_KEPT:,} at most"
    if not opt.segmenter and not opt.segmenter_weights:
        missing["segmentation scores"] = _how_to_get_a_segmenter(opt.dataset_mode)
    return missing


def _how_to_get_a_segmenter(dataset_mode: str) -> str:
    own = "--segmenter RUN, a network of your own from python -m scripts.segmenter"
    mode = SEGMENTED_AS.get(dataset_mode, dataset_mode)
    if mode not in SEGMENTERS:
        return f"no segmentation network was given: {own}"
    files, source = ",".join(SEGMENTERS[mode].files.values()), SEGMENTERS[mode].source
    return f"no segmentation network was given: --segmenter_weights {files}, published at {source}, or {own}"


def _own_path(given: str, checkpoints_dir: str) -> Path:
    """What --segmenter means: a file, a folder, or the name of a run."""
    path = Path(given) if Path(given).exists() else Path(checkpoints_dir) / given
    if not path.exists():
        raise InputError(
            f"--segmenter {given}: neither a file, nor a run in {checkpoints_dir}; "
            f"python -m scripts.segmenter makes one"
        )
    return path

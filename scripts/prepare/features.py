"""Cluster the instance features of a pix2pixHD run, for test.py to draw from: `python -m scripts.prepare features`.

For a run with --instance_feat or --label_feat. Encodes every training photo, collects the features of all instances
that cover more than 1/64 of an image, by class, and clusters those of each class by k-means: --n_clusters centers, or
fewer. Writes <which_epoch>_feature_centers.pth beside the networks:

    centers    (classes, n_clusters, feat_num) float32
    counts     (classes,) int64, how many centers each class has
    encoder    what tells that the encoder has been trained further since

    python -m scripts.prepare features --name RUN
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor
from tqdm import tqdm

from data import PRESETS, create_dataset, create_loader
from models import METHODS, create_model
from models.methods.instance_features import FeatureCenters, InstanceFeatureModel, centers_path, fingerprint
from models.networks.pix2pixhd import FEATURES
from options import parse_options
from options.data import TestDataOptions
from options.field import reuse
from options.networks import NetworkOptions
from options.run import ComputeOptions, DeviceOptions, RunOptions, SavedRunOptions
from scripts.prepare.arguments import subcommand_parser
from trainers.loading import load_networks
from util.device import choose_device, place, prepare_torch
from util.errors import InputError
from util.files import replacing

LEAST_AREA = 0.5 / 32
"""Fraction of the image that an instance must cover: with less its features say little (published)."""


@dataclass(frozen=True, kw_only=True)
class FeatureOptions(RunOptions, DeviceOptions, ComputeOptions, SavedRunOptions, TestDataOptions, NetworkOptions):
    """The options of this tool: which run, and its training set, read as in a test."""

    is_train: ClassVar[bool] = False
    program: ClassVar[str] = "python -m scripts.prepare features"

    phase: str = reuse(TestDataOptions, "phase", default="train")


def features_of(features: Tensor, regions: Tensor, labels: Tensor, num_labels: int) -> list[tuple[int, np.ndarray]]:
    """The label and the features (feat_num,) of each large region of one label map.

    Args:
        features: (feat_num, H, W), constant in each region.
        regions, labels: integers (H, W).
    """
    found = []
    for region in regions.unique():
        inside = regions == region
        if inside.float().mean() > LEAST_AREA:
            label = torch.bincount(labels[inside], minlength=num_labels).argmax()
            found.append((int(label), features[:, inside][:, 0].numpy()))
    return found


def cluster(features: np.ndarray, n_clusters: int) -> np.ndarray:
    """Centers (at most n_clusters, feat_num) of features (M, feat_num) by k-means, always the same."""
    distinct = np.unique(features, axis=0)
    if len(distinct) <= n_clusters:
        return distinct
    # SciPy 1.15 renamed seed to rng, and takes both.
    return kmeans2(features, n_clusters, minit="++", seed=np.random.default_rng(0))[0]  # pyright: ignore[reportCallIssue]


def make_centers(opt: FeatureOptions, model: InstanceFeatureModel) -> FeatureCenters:
    """The centers of the features that the encoder of `model` finds in the data set."""
    by_label: dict[int, list[np.ndarray]] = defaultdict(list)
    for batch in tqdm(create_loader(opt, create_dataset(opt)), desc="features", unit="batch", dynamic_ncols=True):
        with torch.no_grad():
            layout = model.label_layout(batch)
        maps = zip(layout.maps[FEATURES].cpu(), model.regions(layout).cpu(), layout.labels.long().cpu())
        for features, regions, labels in maps:
            for label, feature in features_of(features, regions, labels, opt.num_labels):
                by_label[label].append(feature)
    centers = torch.zeros(opt.num_labels, opt.n_clusters, opt.feat_num)
    counts = torch.zeros(opt.num_labels, dtype=torch.int64)
    for label, found in by_label.items():
        of_label = torch.from_numpy(cluster(np.stack(found), opt.n_clusters))
        centers[label, : len(of_label)] = of_label
        counts[label] = len(of_label)
    return FeatureCenters(centers, counts, fingerprint(model.networks["E"]))


def main(argv: Sequence[str]) -> None:
    """Write the centers of a run. Raises `InputError` for a run without features."""
    parser = subcommand_parser("features", __doc__, epilog="All others are those of python test.py --help all")
    opt = parse_options(FeatureOptions, parser.parse_known_args(argv)[1], PRESETS, METHODS)
    if not (opt.method == "pix2pixhd" and (opt.instance_feat or opt.label_feat)):
        raise InputError(f"--name {opt.name}: a run without --instance_feat or --label_feat has no features")
    prepare_torch(opt.seed, threads=opt.threads)
    model = create_model(opt)
    assert isinstance(model, InstanceFeatureModel)
    load_networks(opt.run_dir, opt.which_epoch, model)
    place(model.eval(), choose_device(opt.gpu_id_list), opt.channels_last, opt.modulation)
    centers = make_centers(opt, model)
    path = centers_path(opt.run_dir, opt.which_epoch)
    with replacing(path) as temporary:
        centers.save(temporary)
    print(f"{path}: {int(centers.counts.sum())} centers of {int((centers.counts > 0).sum())} classes")

"""Protocols of scores: JSON values, which tell whether two numbers are comparable, and their description as text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from evaluation.distances import FeatureSet
from evaluation.features import FeatureExtractor
from evaluation.image_sets import Truth
from models.segmenters import Segmenter
from util.digests import DIGITS, digest_of
from util.errors import InputError

Protocol = dict[str, Any]

KID_SUBSETS, KID_SUBSET_SIZE = 100, 1000

MEAN_IOU_IN_WORDS = {
    "labelled": "the classes that occur in the label maps",
    "all": "all classes, 0 for those that never occur",
    "occurring": "the classes that occur in label maps or predictions",
}


def data_digests(truth: Truth) -> dict[str, str]:
    """Hexadecimal digests of the contents of photos and of label maps, by kind.

    They do not depend on the folder. For samples that are drawn in memory, they are of the pixels.
    """
    if truth.files:
        return {kind: digest_of(paths) for kind, paths in truth.files.items()}
    # Label maps count even without segmentation scores: images are generated from them.
    digest = hashlib.sha256()
    for index in range(len(truth)):
        for _, value in sorted(truth.drawn(index).items()):
            if isinstance(value, Tensor):
                digest.update(value.numpy().tobytes())
    return {"drawn": digest.hexdigest()[:DIGITS]}


def images_protocol(truth: Truth, digests: Mapping[str, str]) -> Protocol:
    """The part of the protocol that is common to all scores: the images that are compared.

    Args:
        digests: see `data_digests`.
    """
    height, width = truth.size
    return {
        "count": len(truth),
        "size": f"{width}x{height}",
        "generated": "8-bit RGB as written",
        "real": f"read by --preprocess_mode {truth.preprocess_mode}: photos bicubic, labels nearest",
        **digests,
    }


def features_protocol(
    features: FeatureExtractor, real: FeatureSet, generated: int, given: bool, kernel_score: str | None, seed: int
) -> Protocol:
    """The protocol of distances between distributions of features.

    Args:
        kernel_score: name of the kernel distance, if it is computed.
    """
    facts = {
        **features.facts,
        "generated_images": generated,
        "real_images": real.n,
        "real_side": "statistics from a file" if given else "photos of the same samples",
        **({"statistics_sha256": real.file_sha256} if given else {}),
        "covariance": "divided by n - 1, nothing added to its diagonal",
    }
    protocol = {"inception" if features.score_name == "fid" else features.score_name: facts}
    if kernel_score:
        photos = real.n or 0  # known if the features of every image are
        size = min(KID_SUBSET_SIZE, generated, photos)
        subsets = 1 if size == generated == photos else KID_SUBSETS
        protocol[kernel_score] = {
            "estimate": "unbiased, kernel (x.y / dim + 1)^3",
            "subsets": subsets,
            "subset_size": size,
            **({"seed": seed} if subsets > 1 else {}),
        }
    return protocol


def segmenter_protocol(
    segmenter: Segmenter, image_size: tuple[int, int], scored_size: tuple[int, int] | None
) -> Protocol:
    """The protocol of segmentation scores. Its text must not change, because it is part of the protocol's hash."""
    facts = {
        "network": type(segmenter).__name__,
        "of": segmenter.name,
        "classes": segmenter.num_classes,
        "image_size": "{1}x{0}".format(*image_size),
        "scored_at": "{1}x{0}".format(*(scored_size or image_size)),
        "labels_resampling": "nearest",
        "mean_iou": segmenter.mean_iou,
        "accuracy": "fraction of the pixels with a class",
        "accuracy_with_void": "fraction of all pixels, those without a class counted as wrong",
    }
    for name in ("resolution", "preprocessing", "scales"):  # settings of some networks
        value = getattr(segmenter, name, None)
        if isinstance(value, (str, int, tuple)):
            facts[name] = list(value) if isinstance(value, tuple) else value
    # Scores of a user's segmenter on real photos: an upper bound for generated images.
    on_real = getattr(segmenter, "facts", {}).get("validation", {})
    worth = {name: on_real[name] for name in ("mean_iou", "pixel_accuracy", "photos") if on_real.get(name) is not None}
    return facts | ({"on_real_photos": worth} if worth else {})


def protocol_hash(protocol: Protocol) -> str:
    """Twelve hexadecimal digits, equal for equal protocols."""
    return hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:12]


def check_statistics(features: FeatureExtractor, statistics: FeatureSet, path: str) -> None:
    """Raise an `InputError` if statistics from a file are of other features, as far as the file says."""
    if statistics.dim != features.dim:
        raise InputError(
            f"--real_statistics {path}: are of {statistics.dim} features, and --features {features.name} has "
            f"{features.dim}"
        )
    for fact in ("features", "resize", "weights_sha256", "seed", "file_sha256", "input", "mean", "std"):
        theirs, ours = statistics.facts.get(fact), features.facts.get(fact)
        if theirs is not None and ours is not None and theirs != ours:
            raise InputError(
                f"--real_statistics {path}: were made with {fact} {theirs}, and here it is {ours}; make both alike"
            )


def in_words(score: str, protocol: Mapping[str, Any], segmenter_called: str | None = None) -> str:
    """A description of the protocol of a score, in one sentence.

    Args:
        segmenter_called: what a segmenter of the user is called, which its protocol does not say.
    """
    images = protocol.get("images", {})
    seen = f"{images.get('count')} images of {images.get('size')}"
    if score == "random_feature_distance":
        return f"Fréchet distance of random features, no FID; {seen}; compares only with itself"
    if score == "fid":
        facts = protocol["inception"]
        weights = f"{facts.get('weights', '?')} (sha256 {str(facts.get('weights_sha256', '?'))[:8]})"
        if facts.get("weights_published") is False:
            weights += ", not the published weights: compares only with itself"
        real = facts["real_images"] if facts["real_images"] is not None else "an unknown number of"
        return (
            f"{seen} against {real} real ones ({facts['real_side']}, bicubic); resize {facts.get('resize')}; {weights}"
        )
    if score == "own_feature_distance":
        facts = protocol[score]
        mean, std = (", ".join(map(str, facts[name])) for name in ("mean", "std"))
        how = f"its input {facts['input']} ({facts['resize']}), mean {mean}, standard deviation {std}"
        return f"Fréchet distance of {_features_in_words(score, protocol)}, no FID; {how}; {seen}"
    if score in ("kid", "random_feature_kernel_distance", "own_feature_kernel_distance"):
        kid = protocol[score]
        of = _features_in_words(score, protocol) + ("" if score == "kid" else ", no KID")
        return f"{kid['estimate']}; {kid['subsets']} subset(s) of {kid['subset_size']} images; {of}"
    if score.endswith(("precision", "recall")):
        return _precision_recall_in_words(score, protocol)
    if score in ("psnr", "ssim"):
        facts = protocol["reconstruction"]
        return f"{facts[score]}; each image in the style of its own photo; {facts['compared']}; {seen}"
    if score == "lpips_diversity":
        facts = protocol["lpips"]
        return f"mean LPIPS (AlexNet) of {facts['styles']} styles of a label map, all pairs; {facts['label_maps']} maps"
    facts = protocol.get("segmentation", {})
    files = ", ".join(file["name"] for file in facts.get("files", []))
    called = segmenter_called or f"{facts.get('network')} of {facts.get('of')}"
    segmenter = f"segmented by {called}{files and f' ({files})'}, compared at {facts.get('scored_at')}"
    if "resolution" in facts:
        segmenter += f" ({facts['resolution']})"
    on_real = facts.get("on_real_photos", {}).get({"miou": "mean_iou", "accuracy": "pixel_accuracy"}.get(score))
    if on_real is not None:
        segmenter += f"; {on_real:.1%} on the photos it was validated with"
    details = {
        "miou": f"over {MEAN_IOU_IN_WORDS.get(facts.get('mean_iou'), facts.get('mean_iou'))}",
        "miou_present": f"over {MEAN_IOU_IN_WORDS['labelled']}",
        "accuracy": facts.get("accuracy"),
        "accuracy_with_void": facts.get("accuracy_with_void"),
    }
    return f"{details.get(score, '')}; {segmenter}; {seen}"


def _features_in_words(score: str, protocol: Mapping[str, Any]) -> str:
    if score.startswith("random"):
        return "random features, which compare only with themselves"
    if score.startswith("own"):
        facts = protocol["own_feature_distance"]
        return f"features of {facts['file']} (sha256 {facts['file_sha256'][:8]})"
    return "features as of FID"


def _precision_recall_in_words(score: str, protocol: Mapping[str, Any]) -> str:
    facts = protocol[score]
    inside = (
        "generated images in the ball of a photo" if score.endswith("precision") else "photos in the ball of an image"
    )
    return (
        f"fraction of {inside}, which holds its {facts['neighbors']} nearest neighbors; "
        f"{_features_in_words(score, protocol)}; "
        f"{protocol['images'].get('count')} images against as many photos"
    )

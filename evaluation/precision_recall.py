"""Precision and recall of generated images in a space of features (Kynkäänniemi et al. 2019)."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from torch import Tensor

from evaluation.distances import FeatureSet
from util.errors import InputError
from util.optional import require

NEIGHBORS = 3
"""k of the paper: the ball of an image reaches to its k-th nearest neighbor in the same set, which lies in it."""
ROWS_AT_ONCE = 1000
"""Images whose distances to all others are in memory at once: 40 MB for 5,000 images, 400 MB for 50,000."""


def precision_recall(generated: FeatureSet, real: FeatureSet) -> tuple[float, float]:
    """Precision and recall, both 0 to 1, by torch-fidelity.

    Precision is the fraction of generated images that lie in the ball of at least one photo, recall the fraction of
    photos that lie in the ball of at least one generated image (equations 1 and 2).

    Raises:
        InputError: a set has too few images, or its features are not known.
    """
    require("torch_fidelity")
    from torch_fidelity.metric_prc import prc_features_to_metric

    # Distances do not change with the origin, and lose fewer digits near it.
    both = [_rows(features) - real.mean for features in (generated, real)]
    options = {"prc_neighborhood": NEIGHBORS, "prc_batch_size": ROWS_AT_ONCE, "save_cpu_ram": True, "verbose": False}
    found = prc_features_to_metric(*both, **options)
    return found["precision"], found["recall"]


def _rows(features: FeatureSet) -> Tensor:
    if features.features is None:
        raise InputError("precision and recall need the features of every image; of one set only statistics are known")
    check_number(len(features.features))
    return features.features.double()


def check_number(images: int) -> None:
    """Raise an `InputError` if there are too few images for a ball."""
    if images <= NEIGHBORS:
        raise InputError(
            f"--precision_recall: {images} images are too few, as the ball of an image reaches to its {NEIGHBORS} "
            f"nearest ones; it needs {NEIGHBORS + 1} or more"
        )


def precision_recall_facts() -> dict[str, Any]:
    """The part of the protocol that both scores have in common, as JSON values."""
    return {
        "neighbors": NEIGHBORS,
        "distance": "Euclidean, in 64 bits",
        "library": f"torch-fidelity {version('torch-fidelity')}",
    }

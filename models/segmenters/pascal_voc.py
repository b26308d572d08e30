"""torchvision's segmentation networks for the 21 classes of Pascal VOC."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torchvision
from torch import Tensor, nn
from torchvision.transforms.v2 import functional

from models.programs import one_line
from models.segmenters.base import Segmenter, Size, resize_scores
from models.weights import read_weights
from util.errors import InputError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SHORT_SIDE = 520  # pixels; the size at which torchvision evaluates these networks
VOC_CLASSES = 21


class TorchvisionSegmenter(Segmenter):
    """A segmentation network of torchvision. Scores are logits. Without a file its weights are downloaded.

    Args:
        name: torchvision's name of the network, such as deeplabv3_resnet50.
        weights: its weight file; None to download it.
    Raises:
        InputError: the file is for another network, or the download failed.
    """

    class_ids = tuple(range(VOC_CLASSES))
    unlabelled_ids = (255,)
    mean_iou = "all"
    files: ClassVar = {}
    source = "torchvision"
    license = "BSD-3-Clause"

    def __init__(self, name: str, weights: Path | None):
        super().__init__()
        self.name = name
        if weights is None:
            self.network = _download(name)
            return
        state = read_weights(weights)
        if not isinstance(state, dict):
            raise InputError(f"--weights {weights}: holds something other than a state dict")
        self.network = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=VOC_CLASSES)
        # Most published files also hold an auxiliary head, which only training used.
        state = {key: value for key, value in state.items() if not str(key).startswith("aux_classifier.")}
        try:
            self.network.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f"--weights {weights}: is not a file of --network {name} ({one_line(error)})") from error

    def score_pixels(self, pixels: Tensor, size: Size) -> Tensor:
        """Logits (N, 21, *size); photos are resized and normalized as torchvision does for these networks."""
        resized = functional.resize(pixels / 255, [SHORT_SIDE], antialias=True)
        normalized = functional.normalize(resized, list(IMAGENET_MEAN), list(IMAGENET_STD))
        return resize_scores(self.network(normalized)["out"], size)


def _download(name: str) -> nn.Module:
    try:
        return torchvision.models.get_model(name, weights="DEFAULT")
    except OSError as error:
        raise InputError(
            f"--network {name}: its weights cannot be downloaded ({error}); give their file with --weights FILE"
        ) from error

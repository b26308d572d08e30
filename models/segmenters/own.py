"""Segmenters of a user's data: the network that scripts.segmenter trains, and TorchScript or torch.export programs.

A run of that tool is a folder with `segmenter.pth`, a bare state dict, and `segmenter.json`, which records the
network's settings, what it was trained on, and its scores on real photos.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.programs import load_program, one_line
from models.segmenters.base import Segmenter, Size, per_channel, resize_scores, size_of
from models.segmenters.unet import UNet
from util.errors import InputError
from util.files import replacing
from util.segmentation_scores import IGNORED

FACTS_FILE = "segmenter.json"
WEIGHTS_FILE = "segmenter.pth"
WIDTHS = (32, 64, 96, 128)
PROBE_SIZE = (256, 256)  # of a black photo, on which the number of a program's classes is found


class OwnSegmenter(Segmenter):
    """A U-Net trained on a user's photos. Scores are logits.

    Photos of another size than those it was trained on are first resized to the same short side, so that objects have
    the scale it was trained on.

    Args:
        name: the `--dataset_mode` it was trained on.
        class_ids, unlabelled_ids: see `Segmenter`.
        image_size: height and width of the photos it was trained on, multiples of 2.
        widths: see `UNet`.
        mean, std: of red, green and blue, to normalize pixels in [0, 1].
        mean_iou: see `Segmenter`; "labelled", the classes that occur in label maps, suits data sets of any size.

    Attributes:
        facts: contents of `segmenter.json` if a run was loaded, with its scores on real photos.
    """

    files: ClassVar = {"network": WEIGHTS_FILE}
    source = "scripts.segmenter"
    license = "that of the photos it was trained on"

    def __init__(
        self,
        name: str,
        class_ids: Sequence[int],
        unlabelled_ids: Sequence[int],
        image_size: Size,
        widths: Sequence[int] = WIDTHS,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.25, 0.25, 0.25),
        mean_iou: str = "labelled",
    ):
        super().__init__()
        self.name, self.mean_iou = name, mean_iou
        self.class_ids, self.unlabelled_ids = tuple(class_ids), tuple(unlabelled_ids)
        self.image_size, self.widths = tuple(image_size), tuple(widths)
        self.mean, self.std = tuple(mean), tuple(std)
        self.facts: dict[str, Any] = {}
        self.network = UNet(self.num_classes, self.widths)
        self.eval()

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of the constructor, for `segmenter.json`."""
        names = ("name", "class_ids", "unlabelled_ids", "image_size", "widths", "mean", "std", "mean_iou")
        return {name: getattr(self, name) for name in names}

    @property
    def preprocessing(self) -> str:
        """How photos are preprocessed, as text for reports."""
        height, width = self.image_size
        return f"short side {min(height, width)}"

    def preprocess(self, pixels: Tensor) -> Tensor:
        """RGB pixels (N, 3, H, W) in 0 .. 255 to inputs of the network (N, 3, h, w), about -2 .. 2, h and w even."""
        scale = min(self.image_size) / min(pixels.shape[-2:])
        size = tuple(max(2, round(side * scale / 2) * 2) for side in pixels.shape[-2:])
        if size != size_of(pixels):
            pixels = F.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
        return (pixels / 255 - per_channel(self.mean, pixels)) / per_channel(self.std, pixels)

    def score_pixels(self, pixels: Tensor, size: Size) -> Tensor:
        """Logits (N, C, *size)."""
        return _at_size(self.network(self.preprocess(pixels)), size)

    def save(self, run_dir: Path, facts: Mapping[str, Any]) -> None:
        """Write both files of a run, each atomically; `facts` are added to the JSON file beside `settings`.

        Raises:
            OSError: nothing can be written there.
        """
        with replacing(run_dir / WEIGHTS_FILE) as temporary:
            torch.save({name: tensor.cpu() for name, tensor in self.network.state_dict().items()}, temporary)
        content = {"network": type(self.network).__name__, "settings": self.settings, **facts}
        with replacing(run_dir / FACTS_FILE) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def from_facts(cls, run_dir: Path) -> OwnSegmenter:
        """Build the network of a run from its `segmenter.json`, without its weights.

        Raises:
            InputError: there is no such file, or `save` did not write it.
        """
        path = run_dir / FACTS_FILE
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            segmenter = cls(**facts["settings"])
        except FileNotFoundError:
            raise InputError(f"{run_dir}: no {FACTS_FILE} inside, so it is not a run of {cls.source}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise InputError(f"{path}: not a file of {cls.source} ({one_line(error)})") from None
        segmenter.facts = facts
        return segmenter


class ProgramSegmenter(Segmenter):
    """Any network saved as a program: TorchScript (`torch.jit.save`) or torch.export (`torch.export.save`, *.pt2).

    It maps photos (N, 3, H, W) in [0, 1] to logits (N, C, h, w), which are resized bilinearly to the label map. A
    program exported for one size gets photos of that size. Its classes are the ids 0 .. C - 1 of label files; C and
    255 are pixels without a class. **A program is code, and runs when it is used: load none that you do not trust.**

    Args:
        path: the file.
        device: where it runs; exported programs cannot be moved afterwards.
    Raises:
        InputError: the file holds no program, or its outputs are not such logits.
    """

    mean_iou = "labelled"
    source = "a program of the user"
    license = "that of the program"

    def __init__(self, path: Path, device: torch.device | str = "cpu"):
        super().__init__()
        self.path = path
        self.name = path.name
        self.files = {"program": path.name}
        # `scores` sends photos to the device of the parameters, and a program may have none.
        self.place = nn.Parameter(torch.empty(0, device=device), requires_grad=False)
        # In a tuple, so that it is no submodule: exported programs refuse train() and eval().
        self._programs = (load_program(path, device, other=f"a run of {OwnSegmenter.source}"),)
        classes = self._logits(torch.zeros(1, 3, *PROBE_SIZE, device=device)).shape[1]
        if not 0 < classes <= IGNORED:
            raise InputError(f"{path}: gives logits of {classes} classes; must be 1 to {IGNORED}")
        self.class_ids = tuple(range(classes))
        self.unlabelled_ids = tuple({classes, IGNORED})

    def score_pixels(self, pixels: Tensor, size: Size) -> Tensor:
        """Logits (N, C, *size)."""
        return _at_size(self._logits(pixels / 255), size)

    @torch.inference_mode()
    def _logits(self, photos: Tensor) -> Tensor:
        program = self._programs[0]
        height, width = (fixed or side for fixed, side in zip(program.size, size_of(photos)))
        try:
            logits = program(_at_size(photos, (height, width)))
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            raise InputError(
                f"{self.path}: cannot label photos of shape {tuple(photos.shape)} in [0, 1] ({one_line(error)})"
            ) from error
        if not isinstance(logits, Tensor) or logits.ndim != 4 or len(logits) != len(photos):
            raise InputError(f"{self.path}: must map photos (N, 3, H, W) in [0, 1] to logits (N, C, h, w)")
        return logits.float()


def _at_size(logits: Tensor, size: Size) -> Tensor:
    return logits if size_of(logits) == tuple(size) else resize_scores(logits, size)

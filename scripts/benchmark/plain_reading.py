"""Plain reading with Pillow and torchvision, the baseline for measuring the project's reading."""

from typing import Any

import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision import transforms
from torchvision.transforms import InterpolationMode, functional

from data.pairs import SamplePaths


class PlainPairs(Dataset):
    """The same steps as `PairedDataset`, but without checks.

    Args:
        resized: width and height to resize to.
        cropped: width and height to crop from that.
        unknown: id that replaces 255; None keeps 255.
    """

    def __init__(
        self, paths: list[SamplePaths], resized: tuple[int, int], cropped: tuple[int, int], unknown: int | None
    ):
        self.paths = paths
        self.resized, self.cropped = list(resized[::-1]), list(cropped[::-1])  # torchvision has the height first
        self.unknown = unknown
        half = (0.5, 0.5, 0.5)
        self.normalize = transforms.Compose([transforms.ToTensor(), transforms.Normalize(half, half)])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        paths = self.paths[index]
        assert paths.image and paths.instances, "all files are there"
        # torchvision accepts Pillow images, but its type annotations allow only tensors.
        labels: Any = Image.open(paths.labels)
        instances: Any = Image.open(paths.instances)
        image: Any = Image.open(paths.image).convert("RGB")
        labels = functional.resize(labels, self.resized, InterpolationMode.NEAREST)
        instances = functional.resize(instances, self.resized, InterpolationMode.NEAREST)
        image = functional.resize(image, self.resized, InterpolationMode.BICUBIC)
        crop = transforms.RandomCrop.get_params(image, (self.cropped[0], self.cropped[1]))
        labels, instances, image = (functional.crop(x, *crop) for x in (labels, instances, image))
        if torch.rand(()) < 0.5:
            labels, instances, image = (functional.hflip(x) for x in (labels, instances, image))
        labels = functional.pil_to_tensor(labels)[0].long()
        if self.unknown is not None:
            labels[labels == 255] = self.unknown
        return {
            "labels": labels,
            "instances": functional.pil_to_tensor(instances)[0].long(),
            "image": self.normalize(image),
        }
